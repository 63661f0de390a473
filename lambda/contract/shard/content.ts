/**
 * What the leaves of a tree say, as one record or entry by entry. To put 50,000 certificates into a record takes longer than all that a
 * change of one costs otherwise, so that a manifest has its record when somebody asks for it.
 */
import type { CertificateName } from '#contract/layout.ts';
import type { Manifest, ManifestEntry } from '#contract/manifest.ts';
import type { LeafShard } from './node.ts';
import type { ReadShards } from './read.ts';

type Certificates = Manifest['certificates'];
type Leaves = readonly LeafShard[];

/** By manifest: a copy that has other certificates is none of them. */
const leavesOf = new WeakMap<object, Leaves>();
/** By the leaves of a tree. */
const records = new WeakMap<Leaves, Certificates>();

export function certificatesIn(leaves: Leaves): Certificates {
  const known = records.get(leaves);
  if (known !== undefined) return known;
  const record: Certificates = {};
  for (const { certificates } of leaves) Object.assign(record, certificates);
  records.set(leaves, record);
  return record;
}

/** @param leaves those with a tombstone, or more */
export function tombstonesIn(leaves: Leaves): LeafShard['tombstones'] {
  const record: LeafShard['tombstones'] = {};
  for (const { tombstones } of leaves) Object.assign(record, tombstones);
  return record;
}

/** @returns the manifest with what the leaves say */
export function withShardContent<M extends Manifest>(
  manifest: M,
  { leaves, ended }: Pick<ReadShards, 'leaves' | 'ended'>,
): M {
  const whole = { ...manifest, tombstones: tombstonesIn(ended) };
  leavesOf.set(whole, leaves);
  return Object.defineProperty(whole, 'certificates', {
    ...{ enumerable: true, configurable: true },
    get: () => certificatesIn(leaves),
  });
}

/** As `Object.entries` of its certificates, in another order; of a tree, without their record. */
export function* entriesOf(
  manifest: Pick<Manifest, 'certificates'>,
): Generator<readonly [CertificateName, ManifestEntry]> {
  const contents = leavesOf.get(manifest) ?? [manifest];
  for (const { certificates } of contents) {
    for (const name of Object.keys(certificates) as CertificateName[]) {
      yield [name, certificates[name] as ManifestEntry];
    }
  }
}
