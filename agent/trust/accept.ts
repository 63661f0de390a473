/** Accepts a root, or keeps what is there. Pure: the decision, its reason, and what the host knows afterwards. */
import { printable } from '#common/printable.ts';
import { digest } from '#contract/combined-pem.ts';
import { followKeys } from '#contract/key-chain.ts';
import type { FleetName } from '#contract/layout.ts';
import type { ReadRoot } from '#contract/root.ts';
import type { PublicKey } from '#contract/statement.ts';
import { floorFromReceipts } from './floor.ts';
import {
  isOwnKey,
  newTrust,
  type SequenceFloor,
  type TrustRecord,
  withAccepted,
  withFollowed,
} from './record.ts';

/** Why a root whose signature is right is not taken. */
export interface Refusal {
  condition: 'unknown-key' | 'other-lineage' | 'stale-manifest';
  saw: string;
  fix: string;
}

export type RootDecision =
  | { kind: 'accept'; trust: TrustRecord }
  /** `trust`: statements that were followed are not forgotten. */
  | { kind: 'keep'; trust: TrustRecord | undefined; condition: Refusal }
  /** Only the statements of keys.json can tell. */
  | { kind: 'needs-keys' };

export interface KnownTrust {
  fleet: FleetName;
  /** `undefined`: this is the first contact. */
  trust: TrustRecord | undefined;
  /** `trust.key` of the settings, which counts more than any word of the operator. */
  pinned?: PublicKey | undefined;
  /** The highest sequence that this host has had, from wherever it knows it. */
  floors: readonly SequenceFloor[];
  /** Of our files: the host's memory where the rest of it is lost. */
  receipts: readonly string[];
  /** Of keys.json; `undefined`: it was not read. */
  statements: readonly string[] | undefined;
}

export function decideRoot(root: ReadRoot, known: KnownTrust): RootDecision {
  const { fleet, trust, statements } = known;
  const { lineage, sequence } = root.manifest;
  const before = trust ?? newTrust({ lineage, key: root.key }, false);
  if (before.trusted.lineage !== undefined && before.trusted.lineage !== lineage) {
    return keep(trust, otherLineage(root, before, known.pinned));
  }
  const isFirstContact = trust === undefined;
  if (statements === undefined && (isFirstContact || before.trusted.key !== root.key)) {
    return { kind: 'needs-keys' };
  }
  const followed = statements ? withFollowed(before, followKeys(statements, before.trusted)) : before;
  const afterKeys = isFirstContact ? undefined : followed;
  if (followed.trusted.key !== root.key) return keep(afterKeys, unknownKey(root, followed, known.pinned));
  const receipts = floorFromReceipts(known.receipts, { fleet, lineage }, followed);
  const floors = [...known.floors, ...receipts].filter((one) => isFloorOf(one, lineage, followed));
  const floor = highest(floors.map((one) => withoutThief(one, followed)));
  const head = headDigest(root.head);
  const isLower = floor !== undefined && sequence < floor.sequence;
  const isOther = sequence === floor?.sequence && floor.head !== undefined && floor.head !== head;
  if (isLower || isOther) return keep(afterKeys, stale(root, floor));
  return { kind: 'accept', trust: withAccepted(followed, fleet, { lineage, sequence, head, key: root.key }) };
}

/** What somebody has signed whom this host no longer trusts, nor has followed from, holds nothing up. */
function isFloorOf({ key, ...floor }: SequenceFloor, lineage: string, trust: TrustRecord): boolean {
  return floor.lineage === lineage && (key === undefined || isOwnKey(key, trust));
}

export function headDigest(head: string): string {
  return digest(head);
}

function keep(trust: TrustRecord | undefined, condition: Refusal): RootDecision {
  return { kind: 'keep', trust, condition };
}

/**
 * What a key signed before the recovery key replaced it counts up to that statement: a thief may have pushed the sequence to its end,
 * and the issuer goes on above the statement's number.
 */
function withoutThief(floor: SequenceFloor, { trusted: { key, recoveredAt } }: TrustRecord): SequenceFloor {
  if (recoveredAt === 0 || floor.key === key || floor.sequence <= recoveredAt) return floor;
  return { lineage: floor.lineage, sequence: recoveredAt };
}

/** Of equal ones the one that knows its head. */
function highest(floors: readonly SequenceFloor[]): SequenceFloor | undefined {
  return [...floors].sort((a, b) => b.sequence - a.sequence || Number(!a.head) - Number(!b.head))[0];
}

function unknownKey(
  { key, manifest }: ReadRoot,
  { trusted, formerKeys }: TrustRecord,
  pinned: PublicKey | undefined,
): Refusal {
  const isRetired = formerKeys.includes(key);
  const why = isRetired
    ? 'which that one has handed over to'
    : 'and no statement of keys.json leads from this one to that one';
  const saw = `root.json (sequence ${manifest.sequence}) is signed by key ${key}, this host trusts ${trusted.key}, ${why}`;
  const fix = isRetired
    ? `${COMPARE}; the issuer's next pass signs with its own key, or somebody else writes to the bucket`
    : `${COMPARE}; if it is the issuer's key, ${wordFor(key, pinned)}, else somebody else writes to the bucket`;
  return { condition: 'unknown-key', saw, fix };
}

/** Where the settings name a key, no word of the operator counts. */
function wordFor(key: PublicKey, pinned: PublicKey | undefined): string {
  if (pinned === undefined) return `pemfleet-agent trust --accept ${key}`;
  return `write it as trust.key into the agent's file, which says ${pinned}, and restart the agent`;
}

function otherLineage(
  { key, manifest }: ReadRoot,
  { trusted }: TrustRecord,
  pinned: PublicKey | undefined,
): Refusal {
  const lineages = `wanted lineage ${printable(trusted.lineage ?? '')}, saw ${printable(manifest.lineage)}`;
  const fix = `${COMPARE}; if this host is to follow it, ${wordFor(key, pinned)}, else correct bucket, or find out who else writes to it`;
  return { condition: 'other-lineage', saw: `root.json is of another issuer (${lineages}, key ${key})`, fix };
}

const COMPARE = 'compare with "pemfleet key show" on the issuer';

function stale({ manifest }: ReadRoot, floor: SequenceFloor): Refusal {
  const { sequence, signedAt } = manifest;
  const other = sequence === floor.sequence ? 'another root of ' : '';
  const saw = `root.json is not newer than what this host has had: wanted a sequence above ${floor.sequence}, saw ${other}${sequence}, signed at ${signedAt}`;
  const fix = "the issuer's next pass publishes a higher one; else somebody puts old copies back";
  return { condition: 'stale-manifest', saw, fix };
}
