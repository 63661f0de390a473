/** `pemfleet revoke NAME` typed again when it is done: the old certificate is meant as long as nothing says otherwise. */
import { DAY_MS } from '#common/time.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { RevocationReason } from '../acme/revocation.ts';
import type { CertificateSpec } from '../config/config.ts';
import { storeNow } from '../identity/store-clock.ts';
import { type PublishedVersion, readHistory } from '../publication/history/history.ts';
import { type OwnKeys, readManifest } from '../publication/read-manifest.ts';
import { publicText, revokedPems } from '../publication/revoke.ts';
import { readRevocation } from './revocations.ts';
import { readLeaf } from './revoke-requested.ts';
import { RevocationUnclear, type RevokedAlready } from './unclear.ts';

/** The same words, typed that much later, may mean another certificate. */
const AGAIN_MS = DAY_MS;

export interface MeantSource {
  bucket: Bucket;
  signing: OwnKeys;
  now: () => Date;
}

/** Serials by digest. */
interface Succession {
  revoked: ReadonlyMap<string, string>;
  inForce: ReadonlyMap<string, string>;
  /** When hosts were told. */
  at: string;
  versions: readonly PublishedVersion[];
}

/**
 * What is in force everywhere has directly taken the place of what was revoked, or nothing has yet: who types the same command again, without
 * a serial, means the old one.
 * @returns undefined where that is not so, a request waits, or what is in force has the key that is said to be stolen
 * @throws RevocationUnclear where another reason is said, or a day later; BucketError, ContractError
 */
export async function revokedAlready(
  source: MeantSource,
  spec: CertificateSpec,
  reason: RevocationReason,
): Promise<RevokedAlready | undefined> {
  const succession = await readSuccession(source, spec);
  if (succession === undefined) return undefined;
  const { revoked, inForce, at } = succession;
  const hasSameKey = await isKeyShared(source, spec, succession);
  if (hasSameKey && reason === 'keyCompromise') return undefined;
  const serials = { revoked: [...new Set(revoked.values())], inForce: [...new Set(inForce.values())] };
  const already = { ...serials, at, hasSameKey };
  const words = wordsOf(succession);
  const now = storeNow(source.bucket, source.now()).getTime();
  const isRecent = words.every((word) => Math.abs(now - Date.parse(word?.at ?? '')) <= AGAIN_MS);
  const isSame = words.every((word) => word?.reason === reason);
  // Where nothing is in force, nothing else can be meant, however late.
  if (isSame && (isRecent || inForce.size === 0)) return already;
  const reasons = [...new Set(words.map((word) => word?.reason ?? 'nobody knows why'))];
  throw RevocationUnclear.another(spec.name, already, { reasons, said: reason });
}

async function readSuccession(
  { bucket, signing }: MeantSource,
  { name, fleets }: CertificateSpec,
): Promise<Succession | undefined> {
  if ((await readRevocation(bucket, name)) !== undefined) return undefined;
  const words = await revokedPems(bucket, fleets, name);
  const [revoked, inForce] = [new Map<string, string>(), new Map<string, string>()];
  const versions: PublishedVersion[] = [];
  const unsucceeding = new Set<string>();
  for (const fleet of fleets) {
    const entry = (await readManifest(bucket, fleet, signing))?.manifest.certificates[name];
    const history = await readHistory(bucket, fleet, name);
    const before = pemsBefore(entry, history).filter(({ sha256 }) => words.has(sha256));
    // Nothing of it was ever published to this fleet.
    if (entry === undefined && history.length === 0) continue;
    if (before.length === 0) {
      for (const { pems } of [...history, ...(entry ? [entry] : [])]) {
        for (const { sha256 } of pems) unsucceeding.add(sha256);
      }
      continue;
    }
    for (const { sha256, serial } of before) revoked.set(sha256, serial);
    for (const { sha256, serial } of entry?.pems ?? []) inForce.set(sha256, serial);
    versions.push(...history);
  }
  // A fleet that was added since only ever had what took the place of the revoked one elsewhere. In any other, nothing was revoked.
  if ([...unsucceeding].some((sha256) => !inForce.has(sha256))) return undefined;
  const at = [...revoked.keys()].flatMap((sha256) => words.get(sha256)?.at ?? []).sort()[0];
  return at === undefined ? undefined : { revoked, inForce, at, versions };
}

/** When and why each was revoked, as the history has it; undefined: it does not say. */
function wordsOf({ revoked, versions }: Succession) {
  const pems = versions.flatMap((version) => version.pems).filter((pem) => pem.revoked !== undefined);
  return [...revoked.keys()].map((digest) => pems.find(({ sha256 }) => sha256 === digest)?.revoked);
}

/** @returns undefined where a certificate is not to be had */
async function isKeyShared(
  { bucket }: MeantSource,
  { name: certificate, fleets }: CertificateSpec,
  { revoked, inForce }: Succession,
): Promise<boolean | undefined> {
  const keysOf = (digests: Iterable<string>) =>
    Promise.all(
      [...digests].map(async (sha256) => {
        const leaf = await readLeaf(bucket, { certificate, fleets }, sha256);
        return leaf && publicText(leaf.publicKey);
      }),
    );
  const old = await keysOf(revoked.keys());
  const fresh = await keysOf(inForce.keys());
  if (fresh.some((key) => key !== undefined && old.includes(key))) return true;
  return [...old, ...fresh].includes(undefined) ? undefined : false;
}

type Versioned = Pick<PublishedVersion['pems'][number], 'sha256' | 'serial' | 'notAfter'>;

/** What the manifest does not say, the history does: what was ended before another was issued is no `previous`. */
export function pemsBefore(
  entry: ManifestEntry | undefined,
  history: readonly PublishedVersion[],
): readonly Versioned[] {
  if (entry?.previous !== undefined) return entry.previous.pems;
  const own = new Set(entry?.pems.map(({ sha256 }) => sha256));
  const isOwn = ({ pems }: PublishedVersion) => pems.some(({ sha256 }) => own.has(sha256));
  const index = entry === undefined ? -1 : history.findIndex(isOwn);
  const former =
    entry !== undefined && index < 0 ? [] : history.slice(index + 1).filter((one) => !isOwn(one));
  return former[0]?.pems ?? [];
}
