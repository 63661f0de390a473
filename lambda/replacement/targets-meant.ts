/** Which certificates `pemfleet revoke NAME` means, and for which reason: typed again at any moment, it is never what has taken their place. */
import type { KeyObject } from 'node:crypto';
import type { FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { RevocationReason } from '../acme/revocation.ts';
import type { CertificateSpec } from '../config/config.ts';
import { type PublishedVersion, readHistory } from '../publication/history/history.ts';
import { type OwnKeys, readManifest } from '../publication/read-manifest.ts';
import {
  findRevocationTargets,
  fleetsOfRevoked,
  type RevocationTarget,
  revokedPems,
} from '../publication/revoke.ts';
import {
  type RevokingPem,
  readRevocation,
  revokingPems,
  type StoredRevocation,
  serialsOf,
  strongerReason,
} from './revocations.ts';
import { type RequestTargets, targetsOfRequest } from './revoke-requested.ts';

export interface MeantTarget extends RevocationTarget {
  /** `keyCompromise` where that waits already, whatever is said now. */
  reason: RevocationReason;
}

export interface RevocationMeant extends RequestTargets {
  targets: readonly MeantTarget[];
  /** What takes their place is published everywhere already. */
  isReplaced: boolean;
}

interface MeantSource {
  bucket: Bucket;
  signing: OwnKeys;
}

/**
 * Without a serial, what has come since a request, in the place of what it names, is not meant: the request is.
 * @param published with the serial, or in force
 * @throws RevocationUnclear; BucketError, ContractError
 */
export async function targetsMeant(
  source: MeantSource,
  spec: CertificateSpec,
  given: {
    published: readonly RevocationTarget[];
    reason: RevocationReason;
    serial: string | undefined;
  },
): Promise<RevocationMeant> {
  const { published, reason, serial } = given;
  const stored = await readRevocation(source.bucket, spec.name);
  const entries = await entriesInForce(source, spec);
  const waiting = revokingPems(stored);
  const meant = async (targets: readonly RevocationTarget[], gone: RequestTargets['gone'] = []) => {
    const all = targets.map((target) => ({ ...target, reason: reasonOf(target, waiting, reason) }));
    const whole = [...all, ...(await sharingStolenKey(source, spec, all))];
    return { targets: whole, gone, isReplaced: isReplacedBy(entries, whole) };
  };
  if (serial !== undefined) return meant(published);
  if (stored?.fault !== undefined) throw RevocationUnclear.unreadable(spec, stored, published);
  const since = entries.filter((entry) => hasComeSince(entry, waiting));
  const fresh = new Set(since.flatMap(({ pems }) => pems.map(({ sha256 }) => sha256)));
  const old = published.filter(({ sha256s }) => !sha256s.every((sha256) => fresh.has(sha256)));
  if (fresh.size === 0 || old.length > 0) return meant(old);
  const same = waiting.filter((pem) => pem.reason === reason);
  if (same.length === 0) throw RevocationUnclear.ofTwo(spec, waiting, published);
  const fleets = await fleetsOfRevoked(source, spec);
  const asked = await targetsOfRequest(source.bucket, { certificate: spec.name, fleets }, same);
  return meant(asked.targets, asked.gone);
}

function reasonOf(
  { sha256s }: RevocationTarget,
  waiting: readonly RevokingPem[],
  said: RevocationReason,
): RevocationReason {
  const own = waiting.filter(({ sha256 }) => sha256s.includes(sha256));
  return own.reduce((reason, pem) => strongerReason(pem.reason, reason), said);
}

/** What is in force with a key that is stolen (`reuseKey`) is to be revoked, too. */
async function sharingStolenKey(
  source: MeantSource,
  spec: CertificateSpec,
  targets: readonly MeantTarget[],
): Promise<MeantTarget[]> {
  const stolen = targets.filter(({ reason }) => reason === 'keyCompromise');
  if (stolen.length === 0) return [];
  const keys = new Set(stolen.map(({ leaf }) => publicText(leaf.publicKey)));
  const known = new Set(targets.map(({ leaf }) => leaf.serialNumber));
  const inForce = await findRevocationTargets(source, spec, undefined);
  return inForce
    .filter(({ leaf }) => !known.has(leaf.serialNumber) && keys.has(publicText(leaf.publicKey)))
    .map((target) => ({ ...target, reason: 'keyCompromise' }));
}

function publicText(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'der' }).toString('base64');
}

function isReplacedBy(entries: readonly ManifestEntry[], targets: readonly RevocationTarget[]): boolean {
  const inForce = new Set(entries.flatMap(({ pems }) => pems.map(({ sha256 }) => sha256)));
  return !targets.some(({ sha256s }) => sha256s.some((sha256) => inForce.has(sha256)));
}

/** What was revoked, and what is in force in its place; each by its serials. */
export interface RevokedAlready {
  revoked: readonly string[];
  /** When hosts were told. */
  at: string;
  /** None: nothing is. */
  inForce: readonly string[];
}

/**
 * What is in force everywhere has directly taken the place of what was revoked, or nothing has yet: who types the command again, without a
 * serial, means the old one.
 * @returns undefined where that is not so, or a request waits. @throws BucketError, ContractError
 */
export async function revokedAlready(
  source: MeantSource,
  { name, fleets }: CertificateSpec,
): Promise<RevokedAlready | undefined> {
  if ((await readRevocation(source.bucket, name)) !== undefined) return undefined;
  const words = await revokedPems(source.bucket, fleets, name);
  const revoked = new Map<string, string>();
  const inForce = new Set<string>();
  for (const fleet of fleets) {
    const entry = (await readManifest(source.bucket, fleet, source.signing))?.manifest.certificates[name];
    const history = await readHistory(source.bucket, fleet, name);
    const before = pemsBefore(entry, history).filter(({ sha256 }) => words.has(sha256));
    // Nothing of it was ever published to this fleet, or what was has got no successor.
    if (entry === undefined && history.length === 0) continue;
    if (before.length === 0) return undefined;
    for (const { sha256, serial } of before) revoked.set(sha256, serial);
    for (const { serial } of entry?.pems ?? []) inForce.add(serial);
  }
  const at = [...revoked.keys()].flatMap((sha256) => words.get(sha256)?.at ?? []).sort()[0];
  if (at === undefined) return undefined;
  return { revoked: [...new Set(revoked.values())], at, inForce: [...inForce] };
}

type Versioned = Pick<PublishedVersion['pems'][number], 'sha256' | 'serial'>;

/** What the manifest does not say, the history does: what was ended before another was issued is no `previous`. */
function pemsBefore(
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

/** The operator may mean the old one, or what has taken its place. */
export class RevocationUnclear extends Error {
  override readonly name = 'RevocationUnclear';
  readonly code = 'ERR_REFUSED';

  /** Another reason is said than the one that waits. */
  static ofTwo(
    { name }: CertificateSpec,
    waiting: readonly RevokingPem[],
    published: readonly RevocationTarget[],
  ): RevocationUnclear {
    const [old, fresh] = [serialsOf({ pems: waiting }), published.map(({ leaf }) => leaf.serialNumber)];
    const reasons = [...new Set(waiting.map(({ reason }) => reason))].join(', ');
    return new RevocationUnclear(
      `${name}: ${old.join(' ')} waits to be revoked (${reasons}), and ${fresh.join(' ')} has taken its place; say which one you mean: --serial ${old[0]}, or --serial ${fresh[0]}`,
    );
  }

  static unreadable(
    { name }: CertificateSpec,
    { fault }: StoredRevocation,
    published: readonly RevocationTarget[],
  ): RevocationUnclear {
    const fresh = published.map(({ leaf }) => leaf.serialNumber);
    return new RevocationUnclear(
      `${name}: what waits to be revoked cannot be read (${fault?.code} ${fault?.message}), and ${fresh.join(' ')}, which is in force, may have taken its place; say which one you mean: --serial SERIAL (pemfleet history ${name} has them), or end the request: pemfleet revoke ${name} --cancel`,
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
  { bucket, signing }: MeantSource,
  { name, fleets }: Pick<CertificateSpec, 'name'> & { fleets: readonly FleetName[] },
): Promise<ManifestEntry[]> {
  const read = await Promise.all(fleets.map((fleet) => readManifest(bucket, fleet, signing)));
  return read.flatMap((one) => one?.manifest.certificates[name] ?? []);
}
