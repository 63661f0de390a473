/** Why a fleet's root is written though no certificate has changed: pure. */
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import type { CertificateName } from '#contract/layout.ts';
import type { PublicKey } from '#contract/statement.ts';
import type { FleetMemory } from './ended.ts';
import { isExpired } from './merge.ts';
import type { OwnHead, ReadManifest } from './read-manifest.ts';
import { endedDigests, livingTombstones } from './tombstones.ts';

export type SigningReason =
  /** There is none of ours, though there was one, or somebody else has put one there. */
  | 'lost'
  /** Hosts have read a later one, or another one of its sequence: an older copy was put back. */
  | 'older'
  /** So far there is version 1 only. */
  | 'upgrade'
  /** Signed by an earlier key, or before the last word about keys: hosts look for that with a new root. */
  | 'key-changed'
  /** It lacks a tombstone that the issuer remembers. */
  | 'tombstones'
  /** A shard is missing or altered. */
  | 'damaged'
  /** Entries have expired, and the configuration does not name them. */
  | 'expired'
  /** Readers have to know how old what they see is. */
  | 'age';

export interface FleetFacts {
  read: ReadManifest | undefined;
  /** `root.json` is there, but not ours. */
  isForeign: boolean;
  /** A shard that the root names is missing or altered. */
  isDamaged?: boolean | undefined;
  memory: FleetMemory;
  /** What hosts have read. */
  heads: readonly (OwnHead | undefined)[];
  /** In this fleet. */
  configured: ReadonlySet<CertificateName>;
  /** Signs today. */
  key: PublicKey;
  /** Number of the last statement about keys; what is signed after it has a higher sequence. */
  lowestSequence: number;
  now: Date;
}

/** Half of the day after which a host says that its manifest is old. */
const SIGNED_FOR_MS = 12 * HOUR_MS;
/** Clocks may differ by so much. */
const SKEW_MS = 5 * MINUTE_MS;

/** @returns undefined if what is there is good */
export function reasonToSign(facts: FleetFacts): SigningReason | undefined {
  const { read, memory } = facts;
  if (read === undefined) return memory.key !== undefined || facts.isForeign ? 'lost' : undefined;
  const { manifest, signedBy } = read;
  const { signedAt, sequence = 0, tombstones = {} } = manifest;
  if (signedAt === undefined) return 'upgrade';
  if (isBehindHosts(manifest, facts.heads)) return 'older';
  if (signedBy !== facts.key || sequence <= facts.lowestSequence) return 'key-changed';
  const ended = endedDigests(tombstones);
  const known = Object.values(livingTombstones(memory.tombstones, facts.now));
  if (known.some(({ pems }) => pems.some(({ sha256 }) => !ended.has(sha256)))) return 'tombstones';
  if (facts.isDamaged) return 'damaged';
  if (hasExpired(facts, manifest.certificates)) return 'expired';
  return isOld(signedAt, facts.now) ? 'age' : undefined;
}

/** What a root says of itself, for comparison with heads; version 1 says neither. */
interface RootAge {
  sequence?: number | undefined;
  signedAt?: string | undefined;
}

/**
 * Hosts have read a later root: an older copy was put back. Or another root of the same sequence: the copy was written on, and a host that
 * has had one of two takes the other for a forgery, and keeps what it has.
 */
export function isBehindHosts(root: RootAge, heads: Iterable<OwnHead | undefined>): boolean {
  const { sequence = 0, signedAt } = root;
  for (const head of heads) {
    if (head === undefined || head.sequence < sequence) continue;
    if (head.sequence > sequence) return true;
    if (signedAt !== undefined && head.signedAt.getTime() !== Date.parse(signedAt)) return true;
  }
  return false;
}

/** Also what a clock that was ahead has signed. */
function isOld(signedAt: string, now: Date): boolean {
  const ageMs = now.getTime() - Date.parse(signedAt);
  return ageMs >= SIGNED_FOR_MS || ageMs < -SKEW_MS;
}

function hasExpired(
  { configured, now }: FleetFacts,
  certificates: ReadManifest['manifest']['certificates'],
): boolean {
  return Object.entries(certificates).some(
    ([name, entry]) => !configured.has(name as CertificateName) && isExpired(entry, now),
  );
}
