/** Which certificates `pemfleet revoke NAME` means where a revocation waits already: typed twice, it is never its replacement. */
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { RevocationReason } from '../acme/revocation.ts';
import type { CertificateSpec } from '../config/config.ts';
import { type OwnKeys, readManifest } from '../publication/read-manifest.ts';
import { fleetsOfRevoked, type RevocationTarget } from '../publication/revoke.ts';
import { type RevokingPem, readRevocation, revokingPems, serialsOf } from './revocations.ts';
import { targetsOfRequest } from './revoke-requested.ts';

export interface RevocationMeant {
  targets: readonly RevocationTarget[];
  /** What takes their place is published everywhere already. */
  isReplaced: boolean;
}

/**
 * Without a serial, what has come since a request, in the place of what it names, is not meant: the request is.
 * @param published with the serial, or in force
 * @throws RevocationUnclear; BucketError, ContractError
 */
export async function targetsMeant(
  source: { bucket: Bucket; signing: OwnKeys },
  spec: CertificateSpec,
  given: {
    published: readonly RevocationTarget[];
    reason: RevocationReason;
    serial: string | undefined;
  },
): Promise<RevocationMeant> {
  const { published, reason, serial } = given;
  const entries = await entriesInForce(source, spec);
  const inForce = new Set(entries.flatMap(({ pems }) => pems.map(({ sha256 }) => sha256)));
  const isReplaced = (targets: readonly RevocationTarget[]) =>
    !targets.some(({ sha256s }) => sha256s.some((sha256) => inForce.has(sha256)));
  if (serial !== undefined) return { targets: published, isReplaced: isReplaced(published) };
  const waiting = revokingPems(await readRevocation(source.bucket, spec.name));
  const since = entries.filter((entry) => hasComeSince(entry, waiting));
  const fresh = new Set(since.flatMap(({ pems }) => pems.map(({ sha256 }) => sha256)));
  const old = published.filter(({ sha256s }) => !sha256s.every((sha256) => fresh.has(sha256)));
  if (fresh.size === 0 || old.length > 0) return { targets: old, isReplaced: isReplaced(old) };
  const same = waiting.filter((pem) => pem.reason === reason);
  if (same.length === 0) throw new RevocationUnclear(spec, waiting, published);
  const fleets = await fleetsOfRevoked(source, spec);
  const targets = await targetsOfRequest(source.bucket, { certificate: spec.name, fleets }, same);
  return { targets, isReplaced: isReplaced(targets) };
}

/** Somebody says another reason, of the old one or of what has taken its place. */
export class RevocationUnclear extends Error {
  override readonly name = 'RevocationUnclear';
  readonly code = 'ERR_REFUSED';

  constructor(
    { name }: CertificateSpec,
    waiting: readonly RevokingPem[],
    published: readonly RevocationTarget[],
  ) {
    const [old, fresh] = [serialsOf({ pems: waiting }), published.map(({ leaf }) => leaf.serialNumber)];
    const reasons = [...new Set(waiting.map(({ reason }) => reason))].join(', ');
    super(
      `${name}: ${old.join(' ')} waits to be revoked (${reasons}), and ${fresh.join(' ')} has taken its place; say which one you mean: --serial ${old[0]}, or --serial ${fresh[0]}`,
    );
  }
}

/** A version that a rollback has brought back is older than the request, whenever that was. */
function hasComeSince(entry: ManifestEntry, waiting: readonly RevokingPem[]): boolean {
  const isWaiting = waiting.some(({ sha256 }) => entry.pems.some((pem) => pem.sha256 === sha256));
  const [first] = waiting.map(({ at }) => at).sort();
  if (first === undefined || isWaiting || entry.rolledBackAt !== undefined) return false;
  return Date.parse(entry.publishedAt) >= Date.parse(first);
}

async function entriesInForce(
  { bucket, signing }: { bucket: Bucket; signing: OwnKeys },
  { name, fleets }: CertificateSpec,
): Promise<ManifestEntry[]> {
  const read = await Promise.all(fleets.map((fleet) => readManifest(bucket, fleet, signing)));
  return read.flatMap((one) => one?.manifest.certificates[name] ?? []);
}
