/**
 * The trust record: whose manifests this host takes, and how far it has come with them. Pure; the state directory holds it
 * (state/trust.ts). The order of authority: agent.yaml or the parameter, what a rotation made of it (key-chain.ts), first contact.
 */
import * as z from 'zod';
import { dateTime } from '#contract/document.ts';
import type { HostStatus } from '#contract/host-status.ts';
import type { TrustedKey } from '#contract/key-chain.ts';
import { type FleetName, fleetName, sha256Hex } from '#contract/layout.ts';
import { sequenceNumber } from '#contract/receipt.ts';
import { type PublicKey, publicKey, statementText } from '#contract/statement.ts';

/** The last root that was accepted: none with a lower sequence is, and with this one no other. */
const sequenceFloor = z.looseObject({
  lineage: z.string(),
  sequence: sequenceNumber,
  /** SHA-256 of the head; absent: only the sequence is known, by a receipt. */
  head: sha256Hex.optional(),
  /** Who has signed it. */
  key: publicKey.optional(),
});

const trustedKey = z.looseObject({
  lineage: z.string().optional(),
  key: publicKey,
  number: z.number().int().nonnegative(),
  recoveryKey: publicKey.optional(),
  recoveredAt: z.number().int().nonnegative(),
  recovery: statementText.optional(),
});

/** Enough for a rotation a month over eight years. */
const MAX_FORMER_KEYS = 100;

export const trustRecord = z.looseObject({
  version: z.literal(1),
  trusted: trustedKey,
  /** By agent.yaml, the parameter, or the operator's word. */
  isConfirmed: z.boolean(),
  /** Keys that led to those of `trusted`: a setting that names one of them says nothing new. */
  formerKeys: z.array(publicKey).max(MAX_FORMER_KEYS),
  /** By fleet. */
  floors: z.partialRecord(fleetName, sequenceFloor),
  /** When keys.json was read last. */
  keysReadAt: dateTime.optional(),
});

export type SequenceFloor = z.infer<typeof sequenceFloor>;
export type TrustRecord = z.infer<typeof trustRecord>;

/** What agent.yaml or the parameter says. */
export interface PinnedTrust {
  /** Absent: that of the first root that the key has signed. */
  lineage?: string | undefined;
  key: PublicKey;
  recoveryKey?: PublicKey | undefined;
}

/** A record of a key that was given, not followed to. */
export function newTrust(pinned: PinnedTrust, isConfirmed: boolean): TrustRecord {
  const { lineage, key, recoveryKey } = pinned;
  const trusted = { lineage, key, number: 0, recoveryKey, recoveredAt: 0 };
  return { version: 1, trusted, isConfirmed, formerKeys: [], floors: {} };
}

/** The record as the settings want it: they count more than what was known, unless a rotation led on from them. */
export function withPinned(
  record: TrustRecord | undefined,
  pinned: PinnedTrust | undefined,
): TrustRecord | undefined {
  if (pinned === undefined) return record;
  const { lineage, key, recoveryKey } = pinned;
  const { trusted, formerKeys = [], floors = {} } = record ?? {};
  const isSameLineage = lineage === undefined || [lineage, undefined].includes(trusted?.lineage);
  const isKnown = (one: PublicKey, current: PublicKey | undefined) =>
    one === current || formerKeys.includes(one);
  if (record === undefined || !isKnown(key, trusted?.key) || !isSameLineage) {
    return { ...newTrust(pinned, true), floors };
  }
  if (recoveryKey === undefined || isKnown(recoveryKey, trusted?.recoveryKey)) {
    return record.isConfirmed ? record : { ...record, isConfirmed: true };
  }
  return { ...record, isConfirmed: true, trusted: { ...record.trusted, recoveryKey } };
}

/**
 * One record of what several places remember. The first counts. The others raise its floors where they are of the same issuer, and say
 * whether anybody has confirmed its key: a copy may be behind, and an operator's word is in the first alone.
 */
export function mergeTrust([first, ...others]: readonly TrustRecord[]): TrustRecord | undefined {
  if (first === undefined) return undefined;
  const { lineage, key } = first.trusted;
  const isKin = ({ trusted }: TrustRecord) =>
    (lineage === undefined || trusted.lineage === lineage) && isOwnKey(trusted.key, first);
  const kin = others.filter(isKin);
  const floors = { ...first.floors };
  for (const record of kin) {
    for (const [fleet, floor] of Object.entries(record.floors) as [FleetName, SequenceFloor][]) {
      if (floor.sequence > (floors[fleet]?.sequence ?? 0)) floors[fleet] = floor;
    }
  }
  const isConfirmed = [first, ...kin].some((one) => one.isConfirmed && one.trusted.key === key);
  return { ...first, isConfirmed, floors };
}

/** Whether the record trusts the key, or has followed statements from it. */
export function isOwnKey(key: PublicKey, { trusted, formerKeys }: TrustRecord): boolean {
  return key === trusted.key || formerKeys.includes(key);
}

/** The record after the statements of keys.json were followed. */
export function withFollowed(record: TrustRecord, followed: TrustedKey): TrustRecord {
  const { key, recoveryKey } = record.trusted;
  const { key: nextKey, recoveryKey: nextRecoveryKey } = followed;
  const left = [...(key === nextKey ? [] : [key]), ...(recoveryKey === nextRecoveryKey ? [] : [recoveryKey])];
  const former = [...record.formerKeys, ...left.filter((one) => one !== undefined)];
  const { lineage = record.trusted.lineage, number, recoveredAt, recovery } = followed;
  const trusted = {
    ...{ lineage, key: nextKey, number, recoveryKey: nextRecoveryKey, recoveredAt },
    ...(recovery === undefined ? {} : { recovery }),
  };
  return { ...record, trusted, formerKeys: [...new Set(former)].slice(-MAX_FORMER_KEYS) };
}

/** The record after a root was accepted. */
export function withAccepted(record: TrustRecord, fleet: FleetName, floor: SequenceFloor): TrustRecord {
  const trusted = { ...record.trusted, lineage: floor.lineage };
  return { ...record, trusted, floors: { ...record.floors, [fleet]: floor } };
}

/** What the status says of it: with `recovery` the issuer can make a later one, though it has forgotten this one. */
export function reportedTrust({ trusted, isConfirmed }: TrustRecord): HostStatus['trust'] {
  const { key, recovery } = trusted;
  return { key, isConfirmed, ...(recovery === undefined ? {} : { recovery }) };
}
