/** What one commit makes of a fleet's manifest: pure. Sequence, receipts and signature come from the caller. */
import type { CertificateName } from '#contract/layout.ts';
import { type ManifestEntry, type PemRef, sameEntry, samePems, type Tombstone } from '#contract/manifest.ts';
import type { SignedManifest } from '#contract/root.ts';
import type { PublishedBecause } from '../audit/commit.ts';
import {
  endedDigests,
  forgettingTime,
  heldRemovals,
  isSaidAlready,
  livingTombstones,
  sameTombstones,
  uniteTombstones,
  withoutDigests,
} from './tombstones.ts';

export type Change =
  /** `only`: `staples` changes nothing if `entry` has other PEMs than the manifest; `newer`, unless its sequence is higher. */
  | {
      kind: 'publish';
      name: CertificateName;
      entry: ManifestEntry;
      only?: 'staples' | 'newer' | undefined;
      /** The operator wants these PEMs again, though they were ended. */
      again?: boolean | undefined;
      /** For the audit trail and the history. */
      because?: PublishedBecause | undefined;
    }
  /** The tombstone ends the PEMs that it names, and no others. */
  | { kind: 'end'; name: CertificateName; tombstone: Tombstone; yes: boolean }
  /** Drops what has expired and is not `configured`. */
  | { kind: 'drop-expired'; configured: ReadonlySet<CertificateName> }
  /** Signs anew, whatever else there is to do. */
  | { kind: 'sign' };

type EndChange = Extract<Change, { kind: 'end' }>;

export interface MergeContext {
  now: Date;
  /** Of the manifest that is made. */
  sequence: number;
  /** Signs the receipt of a PEM that `sequence` published first. */
  receiptOf(name: CertificateName, pem: PemRef, sequence: number): string;
}

export interface Merged {
  manifest: SignedManifest;
  /** Names whose entry has changed or gone. */
  changed: ReadonlySet<CertificateName>;
  /** Names whose tombstone waits for the operator's word. */
  held: ReadonlySet<CertificateName>;
  /** What is neither held nor was said before. */
  ended: readonly EndChange[];
  /** Certificates or tombstones differ from those before. */
  isChanged: boolean;
}

/**
 * @param before as published
 * @param known tombstones that the issuer remembers: they count whether `before` has them or not
 */
export function mergeChanges(
  before: SignedManifest,
  known: SignedManifest['tombstones'],
  changes: readonly Change[],
  context: MergeContext,
): Merged {
  const ends = changes.filter((change) => change.kind === 'end');
  const held = heldNames(before, ends);
  const passed = forgettingTime(before, context.now);
  const former = uniteTombstones(before.tombstones, known);
  const ended = ends.filter(
    ({ name, tombstone }) => !held.has(name) && !isSaidAlready(former[name], tombstone),
  );
  const tombstones = livingTombstones(
    ended.reduce((all, { name, tombstone }) => uniteTombstones(all, { [name]: tombstone }), former),
    passed,
  );
  const reinstated = new Set(changes.flatMap((change) => (isAgain(change) ? digestsOf(change.entry) : [])));
  const remaining = withoutDigests(tombstones, reinstated);
  const digests = endedDigests(remaining);
  const certificates = withoutEnded(before.certificates, digests);
  for (const change of changes) {
    if (change.kind === 'publish') publishInto(certificates, change, digests, context);
    if (change.kind === 'drop-expired') dropExpired(certificates, change.configured, passed);
  }
  completeReceipts(certificates, context);
  const changed = changedNames(before.certificates, certificates);
  const isChanged = changed.size > 0 || !sameTombstones(before.tombstones, remaining);
  const { sequence, now } = context;
  // A clock that was ahead has written a time at which nobody is yet.
  const isMoved = isChanged || Date.parse(before.updatedAt) > now.getTime();
  const times = { signedAt: now.toISOString(), ...(isMoved && { updatedAt: now.toISOString() }) };
  return {
    manifest: { ...before, ...times, sequence, certificates, tombstones: remaining },
    ...{ changed, held, ended, isChanged },
  };
}

type Certificates = SignedManifest['certificates'];

function heldNames(
  { certificates }: SignedManifest,
  ends: readonly EndChange[],
): ReadonlySet<CertificateName> {
  const removals = ends
    .filter(({ name, tombstone }) => isHit(certificates[name], tombstone))
    .map(({ name, tombstone: { reason }, yes }) => ({ name, reason, yes }));
  return heldRemovals(removals, Object.keys(certificates).length);
}

function isHit(entry: ManifestEntry | undefined, { pems }: Tombstone): boolean {
  return entry?.pems.some(({ sha256 }) => pems.some((pem) => pem.sha256 === sha256)) ?? false;
}

/** An entry ends with its PEMs; of a pair, the other one stays. */
function withoutEnded(certificates: Certificates, ended: ReadonlySet<string>): Certificates {
  const rest = Object.entries(certificates).flatMap(([name, entry]) => {
    const pems = entry.pems.filter(({ sha256 }) => !ended.has(sha256));
    if (pems.length === 0) return [];
    return [[name, pems.length === entry.pems.length ? entry : { ...entry, pems }] as const];
  });
  return Object.fromEntries(rest);
}

function isAgain(change: Change): change is Extract<Change, { kind: 'publish' }> {
  return change.kind === 'publish' && change.again === true;
}

function digestsOf({ pems }: ManifestEntry): string[] {
  return pems.map(({ sha256 }) => sha256);
}

function publishInto(
  certificates: Certificates,
  change: Extract<Change, { kind: 'publish' }>,
  ended: ReadonlySet<string>,
  { sequence }: MergeContext,
): void {
  const { name, entry, only } = change;
  const old = certificates[name];
  if (entry.pems.some(({ sha256 }) => ended.has(sha256))) return;
  if (sameEntry(old, entry) || (only === 'staples' && !samePems(old, entry))) return;
  if (only === 'newer' && old !== undefined && !isNewer(entry, old)) return;
  if (old !== undefined && samePems(old, entry)) {
    // Fresh staples, or another line in crt-lists, make no new publication: the one before stays, with its receipts.
    const { haproxy: _, ...kept } = old;
    const receipts = new Map(old.pems.map((pem) => [pem.sha256, pem.receipt]));
    const pems = entry.pems.map((pem) => ({ ...pem, receipt: receipts.get(pem.sha256) }));
    const haproxy = only === 'staples' ? old.haproxy : entry.haproxy;
    certificates[name] = { ...kept, pems, haproxy };
    return;
  }
  // `entry.previous` may be another fleet's: it would name PEMs that this fleet's prefix does not have.
  const { previous: _, ...publication } = entry;
  const pems = publication.pems.map(withoutReceipt);
  const previous = old && { publishedAt: old.publishedAt, pems: old.pems.map(withoutReceipt) };
  const since = isAgain(change) ? sequence : sequenceOf(entry, old, sequence);
  certificates[name] = { ...publication, pems, sequence: since, previous };
}

/** By the manifests that published them first; what version 1 published is older than all others. */
export function isNewer(
  { sequence = 0 }: Pick<ManifestEntry, 'sequence'>,
  old: Pick<ManifestEntry, 'sequence'>,
): boolean {
  return sequence > (old.sequence ?? 0);
}

/** A copy of another fleet's entry keeps its sequence: a host that has a newer certificate of this name keeps that (`older-entry`). */
function sequenceOf(entry: ManifestEntry, old: ManifestEntry | undefined, sequence: number): number {
  const { sequence: first = sequence } = entry;
  return first > (old?.sequence ?? 0) ? Math.min(first, sequence) : sequence;
}

function withoutReceipt({ receipt: _, ...pem }: PemRef): PemRef {
  return pem;
}

/** All of its PEMs have. */
export function isExpired({ pems }: ManifestEntry, now: Date): boolean {
  return pems.every(({ notAfter }) => Date.parse(notAfter) <= now.getTime());
}

function dropExpired(certificates: Certificates, configured: ReadonlySet<CertificateName>, now: Date): void {
  for (const [name, entry] of Object.entries(certificates)) {
    if (configured.has(name as CertificateName) || !isExpired(entry, now)) continue;
    delete certificates[name as CertificateName];
  }
}

/** Also of entries that came from version 1, and of those that another key of ours signed long ago. */
function completeReceipts(certificates: Certificates, { sequence, receiptOf }: MergeContext): void {
  for (const [key, entry] of Object.entries(certificates)) {
    const name = key as CertificateName;
    const { sequence: since = sequence } = entry;
    if (entry.sequence !== undefined && entry.pems.every(({ receipt }) => receipt !== undefined)) continue;
    const pems = entry.pems.map((pem) => ({ ...pem, receipt: pem.receipt ?? receiptOf(name, pem, since) }));
    certificates[name] = { ...entry, sequence: since, pems };
  }
}

function changedNames(before: Certificates, after: Certificates): ReadonlySet<CertificateName> {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])] as CertificateName[];
  return new Set(names.filter((name) => !sameEntry(before[name], after[name])));
}
