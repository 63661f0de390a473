/**
 * Which issuers work on a bucket (`issuer/writers.json`). Two with different configurations would undo each other's work for ever: the one
 * that came later stops. Times are the store's, because the issuers share no other clock.
 */
import * as z from 'zod';
import { HOUR_MS } from '#common/time.ts';
import { dateTime, serializeDocument } from '#contract/document.ts';
import { BucketError, ContractError } from '#contract/errors.ts';
import { layout, sha256Hex } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readCached } from '#storage/cached-document.ts';
import { type IssuerIdentity, MAX_IDENTITY } from './identity.ts';
import { storeTime } from './store-clock.ts';

/** After so long without a pass, an issuer has no say any more. */
export const WRITER_SILENT_AFTER_MS = 24 * HOUR_MS;
/** A pass each half hour writes no object for it each time. */
const RENEWED_AFTER_MS = HOUR_MS;

const writer = z.looseObject({
  identity: z.string().min(1).max(MAX_IDENTITY),
  label: z.string().min(1).max(MAX_IDENTITY),
  /** configDigest() of its configuration. */
  config: sha256Hex,
  /** Of its last pass, within the hour; by the store's clock. */
  lastSeen: dateTime,
});

const writersDocument = z.looseObject({
  version: z.literal(1),
  /** The one that has been there longest comes first. */
  writers: z.array(writer).max(100),
  /** `pemfleet take-over`: until an issuer with this configuration has run, no other may. */
  takeOver: z
    .looseObject({
      by: z.string().max(MAX_IDENTITY),
      /** Absent: an earlier version wrote it. */
      identity: z.string().max(MAX_IDENTITY).optional(),
      config: sha256Hex,
      at: dateTime,
    })
    .optional(),
});

export type Writer = z.infer<typeof writer>;
export type Writers = z.infer<typeof writersDocument>;

/** An issuer as it comes to a bucket. */
export interface Newcomer {
  readonly identity: IssuerIdentity;
  /** configDigest(). */
  readonly config: string;
}

export type Admission =
  | { isAdmitted: true; writers: Writers; isChanged: boolean }
  /** The issuers that were there before, with another configuration. */
  | { isAdmitted: false; before: Pick<Writer, 'label' | 'config' | 'lastSeen'>[] };

const NOBODY: Writers = { version: 1, writers: [] };

/**
 * A new configuration of the issuer that has been there longest is a deployment; of another one it has to be that of all before it.
 * What is dated less than a day in the future counts as of now: the issuer that wrote it may be at work.
 */
export function admitWriter(stored: Writers, { identity, config }: Newcomer, now: Date): Admission {
  const ageMs = (time: string) => now.getTime() - Date.parse(time);
  // Of a machine whose directory is the bucket, the clock was ahead by days.
  const isRecent = (time: string) => Math.abs(ageMs(time)) < WRITER_SILENT_AFTER_MS;
  const { takeOver, ...rest } = stored;
  const isRuled = takeOver !== undefined && isRecent(takeOver.at);
  // Who has taken over, and has edited the configuration since, goes before those that were let stay.
  const isTaker = isRuled && takeOver.config !== config && takeOver.identity === identity.id;
  if (isRuled && takeOver.config !== config && !isTaker) {
    const { by: label, at: lastSeen } = takeOver;
    return { isAdmitted: false, before: [{ label, config: takeOver.config, lastSeen }] };
  }
  const recent = stored.writers.filter(({ lastSeen }) => isRecent(lastSeen));
  const active = isTaker ? recent.filter((one) => one.identity === identity.id) : recent;
  const at = active.findIndex((one) => one.identity === identity.id);
  const before = (at === -1 ? active : active.slice(0, at)).filter((one) => one.config !== config);
  if (before.length > 0) return { isAdmitted: false, before };
  const old = active[at];
  const isKnown = old !== undefined && old.config === config && old.label === identity.label;
  const isRenewed = !isKnown || Math.abs(ageMs(old.lastSeen)) >= RENEWED_AFTER_MS;
  const isChanged = isRenewed || takeOver !== undefined || active.length !== stored.writers.length;
  const lastSeen = isRenewed ? now.toISOString() : old.lastSeen;
  const me: Writer = { ...old, identity: identity.id, label: identity.label, config, lastSeen };
  const writers = at === -1 ? [...active, me] : active.map((one) => (one === old ? me : one));
  return { isAdmitted: true, writers: { ...rest, writers }, isChanged };
}

/** Other writers may be faster, but not for ever. */
const MAX_TRIES = 10;

/**
 * Lets the issuer in, and leaves its name. A document that is lost or cannot be read starts over.
 * @param now by this machine's clock: good enough where nothing changes
 * @throws ContractError `ERR_ISSUER_CONFLICT`
 */
export async function enterAsWriter(bucket: Bucket, newcomer: Newcomer, now: Date): Promise<void> {
  for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
    const { value = NOBODY, etag } = await readCached(bucket, layout.writers, writersDocument);
    const quick = admitWriter(value, newcomer, notBeforeWriters(value, now));
    if (quick.isAdmitted && !quick.isChanged) return;
    const admission = admitWriter(value, newcomer, await storeTime(bucket));
    if (!admission.isAdmitted) throw conflict(newcomer, admission.before);
    const condition = etag === undefined ? ({ ifNoneMatch: '*' } as const) : { ifMatch: etag };
    // What the store shows but does not give (too large, in an archive) has no ETag: it is replaced.
    const isSpoilt = etag === undefined && attempt > 0;
    const body = serializeDocument(admission.writers);
    const result = await bucket.put(layout.writers, body, isSpoilt ? undefined : condition);
    if (result !== 'precondition-failed') return;
  }
  throw new BucketError(
    'ERR_BUCKET_CONFLICT',
    layout.writers,
    `other writers were faster ${MAX_TRIES} times`,
  );
}

/** Changes nothing. @throws ContractError `ERR_ISSUER_CONFLICT` */
export async function checkWriter(bucket: Bucket, newcomer: Newcomer, now: Date): Promise<void> {
  const { value = NOBODY } = await readCached(bucket, layout.writers, writersDocument);
  const admission = admitWriter(value, newcomer, notBeforeWriters(value, now));
  if (!admission.isAdmitted) throw conflict(newcomer, admission.before);
}

/** When any issuer has noted a pass, which it does once an hour; undefined: never. @throws BucketError */
export async function lastPassAt(bucket: Bucket): Promise<Date | undefined> {
  const { value = NOBODY } = await readCached(bucket, layout.writers, writersDocument);
  const times = value.writers.map(({ lastSeen }) => Date.parse(lastSeen));
  return times.length === 0 ? undefined : new Date(Math.max(...times));
}

/** This machine's clock may be behind the store's: what the store has dated is not in the future. */
function notBeforeWriters({ writers }: Writers, now: Date): Date {
  return new Date(Math.max(now.getTime(), ...writers.map(({ lastSeen }) => Date.parse(lastSeen))));
}

/** What `pemfleet take-over` has done, or would do. */
export interface TakeOver {
  /** Issuers with another configuration: they stop, until they have this one. */
  stopped: Pick<Writer, 'label' | 'config' | 'lastSeen'>[];
}

/** Makes the newcomer's configuration that of the bucket: the next issuer that has it is the first, and all others stop. */
export async function takeOver(
  bucket: Bucket,
  { identity, config }: Newcomer,
  { dryRun }: { dryRun: boolean },
): Promise<TakeOver> {
  const { value = NOBODY } = await readCached(bucket, layout.writers, writersDocument);
  const stopped = value.writers.filter((one) => one.config !== config);
  if (dryRun) return { stopped };
  const at = (await storeTime(bucket)).toISOString();
  const next: Writers = {
    ...value,
    writers: value.writers.filter((one) => one.config === config),
    takeOver: { by: identity.label, identity: identity.id, config, at },
  };
  // Without a condition: the operator's word is the last.
  await bucket.put(layout.writers, serializeDocument(next));
  return { stopped };
}

function conflict(
  { identity, config }: Newcomer,
  before: readonly Pick<Writer, 'label' | 'config' | 'lastSeen'>[],
) {
  const theirs = before.map(
    ({ label, config: other, lastSeen }) =>
      `${label} (configuration ${other.slice(0, 8)}, last at ${lastSeen})`,
  );
  const own = `${identity.label} (configuration ${config.slice(0, 8)})`;
  return new ContractError(
    'ERR_ISSUER_CONFLICT',
    layout.writers,
    `wanted one configuration for this bucket, saw another: ${theirs.join(', ')} works on it, and this is ${own}; ` +
      'stop one of them or give both the same pemfleet.yaml. To make this configuration the one that counts: pemfleet take-over; ' +
      'after a day of silence of the other it counts by itself',
  );
}
