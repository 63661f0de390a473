/** Which manifests hosts have read: they repeat the head of the root that they acted on, and it counts under our own signature only. */
import { DAY_MS } from '#common/time.ts';
import { ContractError } from '#contract/errors.ts';
import type { HostStatus } from '#contract/host-status.ts';
import { type KeyStatement, readKeyStatements } from '#contract/key-chain.ts';
import { layout } from '#contract/layout.ts';
import { readHead } from '#contract/root.ts';
import type { PublicKey } from '#contract/statement.ts';
import type { OwnHead, OwnKeys } from '../publication/read-manifest.ts';

/** A host may have read what an earlier key signed while the issuer's clock was ahead. */
const AHEAD_MS = 7 * DAY_MS;

/**
 * That of an earlier key counts beyond its retirement, too, but not so far that whoever has that key pushes the sequence to its end.
 * Verifies a signature: to be called once for each status.
 */
export function ownHead(
  { fleet, head }: HostStatus,
  keys: OwnKeys | undefined,
  now: Date,
): OwnHead | undefined {
  if (head === undefined || keys === undefined) return undefined;
  try {
    const { claims, key } = readHead(head, layout.root(fleet));
    const { sequence } = claims;
    const isBounded = keys.isOurs(key, sequence) || sequence <= now.getTime() + AHEAD_MS;
    const isOurs = keys.isOurs(key) && isBounded && claims.fleet === fleet;
    return isOurs ? { sequence, signedAt: new Date(claims.signedAt) } : undefined;
  } catch (error) {
    if (error instanceof ContractError) return undefined;
    throw error;
  }
}

/**
 * A key that is not ours has signed a root of our lineage: the issuer had it once, or somebody else makes it up. Or the recovery key has
 * named it later than ours. What is older than our last recovery holds no host back: it finds our key by itself.
 */
export function otherSigner(status: HostStatus, keys: OwnKeys | undefined): PublicKey | undefined {
  if (keys?.lineage === undefined) return undefined;
  return recoveredSince(status, keys) ?? signerOfHead(status, keys);
}

function recoveredSince({ trust }: HostStatus, keys: OwnKeys): PublicKey | undefined {
  const { lineage, recoveryKey, recoveredAt = 0 } = keys;
  const obeyed = trust?.recovery === undefined ? [] : readKeyStatements([trust.recovery]);
  const isSince = ({ key, claims }: KeyStatement) =>
    key === recoveryKey && claims.lineage === lineage && claims.number > recoveredAt;
  return obeyed.find(isSince)?.claims.key;
}

function signerOfHead({ fleet, head }: HostStatus, keys: OwnKeys): PublicKey | undefined {
  if (head === undefined) return undefined;
  try {
    const { claims, key } = readHead(head, layout.root(fleet));
    const isOther = claims.fleet === fleet && claims.lineage === keys.lineage && !keys.isOurs(key);
    return isOther && claims.sequence > (keys.recoveredAt ?? 0) ? key : undefined;
  } catch (error) {
    if (error instanceof ContractError) return undefined;
    throw error;
  }
}

/** By host. */
export function ownHeads(
  statuses: readonly HostStatus[],
  keys: OwnKeys | undefined,
  now: Date,
): ReadonlyMap<string, OwnHead | undefined> {
  return new Map(statuses.map((status) => [status.host, ownHead(status, keys, now)]));
}

/** The highest sequence that hosts have read; 0: none has said so. */
export function highestSequence(heads: Iterable<OwnHead | undefined>): number {
  let highest = 0;
  for (const head of heads) highest = Math.max(highest, head?.sequence ?? 0);
  return highest;
}

/** Of the summaries of a fleet's hosts. */
export function highestReported(
  summaries: Readonly<Record<string, { head?: OwnHead | undefined }>> = {},
): number {
  return highestSequence(headsOf(summaries));
}

/** Of the summaries of a fleet's hosts. */
export function headsOf(
  summaries: Readonly<Record<string, { head?: OwnHead | undefined }>> = {},
): (OwnHead | undefined)[] {
  return Object.values(summaries).map(({ head }) => head);
}

/** By key that is not ours: the hosts that have acted on a root of it. */
export function otherKeysOf(
  summaries: Readonly<Record<string, { otherKey?: PublicKey | undefined }>>,
): ReadonlyMap<PublicKey, string[]> {
  const hosts = new Map<PublicKey, string[]>();
  for (const [host, { otherKey }] of Object.entries(summaries)) {
    if (otherKey !== undefined) hosts.set(otherKey, [...(hosts.get(otherKey) ?? []), host]);
  }
  return hosts;
}
