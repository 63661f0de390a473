/**
 * After a rollback of the issuer: what the older one has published meanwhile stands in `manifest.json` alone. Entries that this issuer
 * could have made itself are merged into the signed roots, so that nothing is ordered twice; whatever else stands there counts for nothing.
 */
import { inParallel } from '#common/in-parallel.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import { type Manifest, type ManifestEntry, samePems, type Tombstone } from '#contract/manifest.ts';
import type { SignedManifest } from '#contract/root.ts';
import type { CertificateSpec } from '../config/config.ts';
import type { Pass } from '../pass.ts';
import type { IssuerMemory } from '../publication/ended.ts';
import type { PemText } from '../publication/publisher.ts';
import { isWrittenByOthers } from '../publication/version1.ts';
import { judgeForeignEntry, type OwnWord } from './foreign-entry.ts';
import { KnownIntermediates } from './known-intermediates.ts';

/** Judged at the same time. */
const CONCURRENCY = 10;

export interface OldIssuerSource {
  /** With our own signature, by fleet. */
  roots: ReadonlyMap<FleetName, SignedManifest>;
  /** `manifest.json`, by fleet. */
  version1: ReadonlyMap<FleetName, Manifest>;
  memory: Pick<IssuerMemory, 'of'>;
}

/** An entry of an older issuer that counts. */
export interface MergedEntry {
  fleet: FleetName;
  name: CertificateName;
  entry: ManifestEntry;
  texts: PemText[];
}

/** An entry of `manifest.json` that differs from what is signed. */
interface Candidate {
  fleet: FleetName;
  spec: CertificateSpec;
  entry: ManifestEntry;
}

/** An entry of an older issuer, or of somebody else, that does not. */
export interface RefusedEntry {
  fleet: FleetName;
  name: CertificateName;
  reason: string;
}

/** @throws BucketError where the store fails: that says nothing about the entries */
export async function judgeOldIssuer(
  { bucket, config, timing }: Pick<Pass, 'bucket' | 'config' | 'timing'>,
  source: OldIssuerSource,
): Promise<{ merged: MergedEntry[]; refused: RefusedEntry[] }> {
  const known = new KnownIntermediates(bucket, [...source.roots.values()]);
  const judge = async ({ fleet, spec, entry }: Candidate) => {
    const own = await ownWordOn(source, spec);
    const isKnownIntermediate = (fingerprint: string) => known.has(fingerprint);
    const rules = { bucket, fleet, spec, config, own, isKnownIntermediate, now: timing.now() };
    return { fleet, name: spec.name, judgement: await judgeForeignEntry(entry, rules) };
  };
  const judged = await inParallel(
    await candidatesIn(config.certificates, source),
    CONCURRENCY,
    judge,
    ({ fleet, spec }) => `${fleet}/${spec.name}`,
  );
  return {
    merged: judged.flatMap(({ judgement, ...of }) => ('entry' in judgement ? [{ ...of, ...judgement }] : [])),
    refused: judged.flatMap(({ judgement, ...of }) =>
      'refused' in judgement ? [{ ...of, reason: judgement.refused }] : [],
    ),
  };
}

/** Of configured certificates only: whoever writes there may name thousands. */
async function candidatesIn(
  specs: readonly CertificateSpec[],
  { roots, version1, memory }: OldIssuerSource,
): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  for (const [fleet, manifest] of version1) {
    const root = roots.get(fleet);
    // A root that is lost says nothing of what was newest: version 1 could bring an older certificate back.
    const isLost = root === undefined && (await memory.of(fleet)).key !== undefined;
    if (isLost || !isWrittenByOthers(manifest)) continue;
    for (const spec of specs) {
      const entry = spec.fleets.includes(fleet) ? manifest.certificates[spec.name] : undefined;
      if (entry === undefined || samePems(entry, root?.certificates[spec.name])) continue;
      candidates.push({ fleet, spec, entry });
    }
  }
  return candidates;
}

/** Of all fleets of the certificate: what one of them has given up, none takes back. */
async function ownWordOn({ roots, memory }: OldIssuerSource, spec: CertificateSpec): Promise<OwnWord> {
  const own = spec.fleets.flatMap((fleet) => roots.get(fleet) ?? []);
  const remembered = await Promise.all(spec.fleets.map((fleet) => memory.of(fleet)));
  const signed = (own.length > 0 ? own : [...roots.values()]).map(({ signedAt }) => signedAt);
  return {
    published: own.flatMap(({ certificates }) => certificates[spec.name] ?? []),
    tombstones: [...own, ...remembered].flatMap(({ tombstones }) => tombstoneOf(tombstones, spec.name)),
    signedAt: signed.sort().at(-1),
  };
}

function tombstoneOf(tombstones: Readonly<Record<string, Tombstone>>, name: string): Tombstone[] {
  return Object.hasOwn(tombstones, name) ? [tombstones[name]].filter((one) => one !== undefined) : [];
}
