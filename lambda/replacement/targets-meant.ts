/** Which certificates `pemfleet revoke NAME` means, and for which reason: typed again at any moment, it is never what has taken their place. */
import type { FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { RevocationReason } from '../acme/revocation.ts';
import type { CertificateSpec } from '../config/config.ts';
import { storeNow } from '../identity/store-clock.ts';
import { readHistory } from '../publication/history/history.ts';
import { readManifest } from '../publication/read-manifest.ts';
import {
  findRevocationTargets,
  fleetsOfRevoked,
  publicText,
  type RevocationTarget,
} from '../publication/revoke.ts';
import {
  type RevokingPem,
  readCancelled,
  readRevocation,
  revokingPems,
  strongerReason,
} from './revocations.ts';
import { type RequestTargets, targetsOfRequest } from './revoke-requested.ts';
import { type MeantSource, pemsBefore } from './revoked-already.ts';
import { RevocationUnclear } from './unclear.ts';

export interface MeantTarget extends RevocationTarget {
  /** `keyCompromise` where that waits already, whatever is said now. */
  reason: RevocationReason;
}

export interface RevocationMeant extends RequestTargets {
  targets: readonly MeantTarget[];
  /** What takes their place is published everywhere already. */
  isReplaced: boolean;
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
  if (entries.some((entry) => isRolledBackBeside(entry, waiting))) {
    throw RevocationUnclear.ofTwo(spec, waiting, published);
  }
  const since = entries.filter((entry) => hasComeSince(entry, waiting));
  const fresh = new Set(since.flatMap(({ pems }) => pems.map(({ sha256 }) => sha256)));
  const old = published.filter(({ sha256s }) => !sha256s.every((sha256) => fresh.has(sha256)));
  if (fresh.size === 0 || old.length > 0) {
    await refuseCancelled(source, spec, old);
    return meant(old);
  }
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

function isReplacedBy(entries: readonly ManifestEntry[], targets: readonly RevocationTarget[]): boolean {
  const inForce = new Set(entries.flatMap(({ pems }) => pems.map(({ sha256 }) => sha256)));
  return !targets.some(({ sha256s }) => sha256s.some((sha256) => inForce.has(sha256)));
}

/**
 * What was asked for and taken back is still valid, and what is in force has directly taken its place: the same words may mean either, and
 * hosts may still serve the old one.
 * @throws RevocationUnclear; BucketError, ContractError
 */
async function refuseCancelled(
  source: MeantSource,
  { name, fleets }: CertificateSpec,
  published: readonly RevocationTarget[],
): Promise<void> {
  const { bucket, signing } = source;
  const { cancelled, lostAt } = await readCancelled(bucket, name);
  if (cancelled.length === 0 && lostAt === undefined) return;
  const taken = new Set(cancelled.map(({ sha256 }) => sha256));
  const now = storeNow(bucket, source.now()).getTime();
  const old = new Set<string>();
  for (const fleet of fleets) {
    const entry = (await readManifest(bucket, fleet, signing))?.manifest.certificates[name];
    if (entry === undefined || entry.rolledBackAt !== undefined) continue;
    // Nobody knows what that named: it may be whatever had a successor then.
    const isLost = lostAt !== undefined && Date.parse(entry.publishedAt) <= Date.parse(lostAt);
    for (const pem of pemsBefore(entry, await readHistory(bucket, fleet, name))) {
      const isMeant = isLost || taken.has(pem.sha256);
      if (isMeant && Date.parse(pem.notAfter) > now) old.add(pem.serial);
    }
  }
  if (old.size > 0) throw RevocationUnclear.cancelled(name, [...old], published);
}

function hasComeSince(entry: ManifestEntry, waiting: readonly RevokingPem[]): boolean {
  const [first] = waiting.map(({ at }) => at).sort();
  if (first === undefined || isWaiting(entry, waiting)) return false;
  return Date.parse(entry.publishedAt) >= Date.parse(first);
}

/** It is older than the request, whenever that was, and has taken the place of what waits all the same. */
function isRolledBackBeside(entry: ManifestEntry, waiting: readonly RevokingPem[]): boolean {
  return waiting.length > 0 && entry.rolledBackAt !== undefined && !isWaiting(entry, waiting);
}

function isWaiting(entry: ManifestEntry, waiting: readonly RevokingPem[]): boolean {
  return waiting.some(({ sha256 }) => entry.pems.some((pem) => pem.sha256 === sha256));
}

async function entriesInForce(
  { bucket, signing }: MeantSource,
  { name, fleets }: Pick<CertificateSpec, 'name'> & { fleets: readonly FleetName[] },
): Promise<ManifestEntry[]> {
  const read = await Promise.all(fleets.map((fleet) => readManifest(bucket, fleet, signing)));
  return read.flatMap((one) => one?.manifest.certificates[name] ?? []);
}
