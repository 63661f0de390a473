/**
 * `issuer/served/<fleet>/<certificate>.json`: which host has served which version, from when to when, as the hosts' reports say. It is
 * written where a host begins or ceases to serve a version, and for nothing else.
 */
import * as z from 'zod';
import { type Deadline, DeadlinePassed } from '#common/deadline.ts';
import { inParallel } from '#common/in-parallel.ts';
import { DAY_MS } from '#common/time.ts';
import { digest } from '#contract/combined-pem.ts';
import { BucketError, isObjectFault } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { Bucket, PutCondition } from '#storage/bucket.ts';
import { instant, parseCached, readCached } from '#storage/cached-document.ts';
import type { ServedChange } from './changes.ts';

/** Auditors ask for a year. */
const KEPT_MS = 400 * DAY_MS;
/** Of one version at one host: it comes and goes where it is rolled back, and forth. */
const MAX_SPANS = 20;
const MAX_DEPARTED = 10_000;
const MAX_TRIES = 10;
const CONCURRENCY = 10;

const span = z.object({
  /** Since when the host serves it, by the store's clock. */
  first: instant,
  /** The last report before `gone` that says so; while it is served, the one that said so first. */
  last: instant,
  /** The report that says so no more; absent: it is served, as far as the record knows. */
  gone: instant.optional(),
  /** A TLS handshake has shown it. */
  isProved: z.literal(true).optional(),
});

const record = z.object({
  version: z.literal(1),
  /** What it said of the time before could not be read, and is lost. */
  lostBefore: instant.optional(),
  versions: z.array(z.object({ serial: z.string().max(64), hosts: z.record(z.string(), z.array(span)) })),
});

const departedHosts = z.object({ version: z.literal(1), hosts: z.record(z.string(), instant) });

export type ServedSpan = z.infer<typeof span>;
export type ServedRecord = z.infer<typeof record>['versions'];

export interface ReadRecord {
  versions: ServedRecord;
  /** The record cannot be read, or a former one could not: nobody knows what it said. */
  isIncomplete: boolean;
}

/** @throws BucketError */
export async function readServed(
  bucket: Bucket,
  fleet: FleetName,
  name: CertificateName,
): Promise<ReadRecord> {
  const { value, isSpoilt } = await readRecord(bucket, layout.served(fleet, name));
  return { versions: value?.versions ?? [], isIncomplete: isSpoilt || value?.lostBefore !== undefined };
}

interface StoredRecord {
  value: z.infer<typeof record> | undefined;
  sha256: string | undefined;
  etag: string | undefined;
  /** There is an object, and it is no record that can be read. */
  isSpoilt: boolean;
}

async function readRecord(bucket: Bucket, key: string): Promise<StoredRecord> {
  try {
    const stored = await bucket.get(key);
    if (stored === undefined) {
      return { value: undefined, sha256: undefined, etag: undefined, isSpoilt: false };
    }
    const value = parseCached(stored.body, record);
    return { value, sha256: digest(stored.body), etag: stored.etag, isSpoilt: value === undefined };
  } catch (error) {
    if (!isObjectFault(error)) throw error;
    return { value: undefined, sha256: undefined, etag: undefined, isSpoilt: true };
  }
}

/** @returns by host, the time of its last report. @throws BucketError */
export async function readDeparted(bucket: Bucket, fleet: FleetName): Promise<Record<string, Date>> {
  const { value } = await readCached(bucket, layout.departed(fleet), departedHosts);
  return value?.hosts ?? {};
}

/** What could not be recorded; one record that fails is one record. */
export interface Unrecorded {
  changes: readonly ServedChange[];
  failures: unknown[];
}

/** @param deadline undefined: there is time */
export async function recordServed(
  bucket: Bucket,
  changes: readonly ServedChange[],
  now: Date,
  deadline?: Deadline,
): Promise<Unrecorded> {
  const byKey = new Map<string, ServedChange[]>();
  for (const change of changes) {
    const key = layout.served(change.fleet, change.certificate);
    const some = byKey.get(key);
    if (some === undefined) byKey.set(key, [change]);
    else some.push(change);
  }
  const left: ServedChange[] = [];
  const failures: unknown[] = [];
  const write = async ([key, some]: readonly [string, readonly ServedChange[]]) => {
    const work = () => writeRecord(bucket, key, some, now);
    await (deadline?.wait(work) ?? work()).catch((error: unknown) => {
      left.push(...some);
      // The next pass goes on with what this one has no time for.
      if (!(error instanceof DeadlinePassed)) failures.push(error);
    });
  };
  await inParallel([...byKey], CONCURRENCY, write, ([key]) => key);
  if (deadline?.hasPassed && left.length === changes.length && failures.length === 0) {
    failures.push(new DeadlinePassed('no time to record which host serves what'));
  }
  return { changes: left, failures };
}

/** @throws BucketError */
async function writeRecord(
  bucket: Bucket,
  key: string,
  changes: readonly ServedChange[],
  now: Date,
): Promise<void> {
  for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
    const { value, sha256, etag, isSpoilt } = await readRecord(bucket, key);
    const lostBefore = isSpoilt ? now : value?.lostBefore;
    const versions = withChanges(value?.versions ?? [], changes, now);
    const after = `${JSON.stringify({ version: 1, ...(lostBefore && { lostBefore }), versions })}\n`;
    if (digest(after) === sha256) return;
    // An object that cannot be read has no condition that it could meet.
    if (isSpoilt && etag === undefined) {
      await bucket.put(key, after);
      return;
    }
    if (await put(bucket, key, after, etag)) return;
  }
  throw new BucketError('ERR_BUCKET_CONFLICT', key, `other writers were faster ${MAX_TRIES} times`);
}

/** @throws BucketError */
export async function recordDeparted(
  bucket: Bucket,
  fleet: FleetName,
  gone: ReadonlyMap<string, Date>,
): Promise<void> {
  const { value, etag } = await readCached(bucket, layout.departed(fleet), departedHosts);
  const all = Object.entries({ ...value?.hosts, ...Object.fromEntries(gone) });
  const latest = all.sort(([, a], [, b]) => b.getTime() - a.getTime()).slice(0, MAX_DEPARTED);
  const document = { version: 1, hosts: Object.fromEntries(latest) };
  // Another pass that was faster has seen them go, too.
  await put(bucket, layout.departed(fleet), `${JSON.stringify(document)}\n`, etag);
}

/** Pure. Versions that nobody has served for `KEPT_MS` are forgotten. */
export function withChanges(before: ServedRecord, changes: readonly ServedChange[], now: Date): ServedRecord {
  const versions = new Map(before.map(({ serial, hosts }) => [serial, { ...hosts }]));
  for (const change of changes) {
    const served = new Map(change.served.map((version) => [version.serial, version]));
    for (const serial of served.keys()) if (!versions.has(serial)) versions.set(serial, {});
    for (const [serial, hosts] of versions) {
      const spans = hosts[change.host] ?? [];
      const after = spansAfter(spans, change, served.get(serial));
      if (after.length > 0) hosts[change.host] = after.slice(-MAX_SPANS);
    }
  }
  const isKept = ({ gone, last }: ServedSpan) => now.getTime() - (gone ?? last).getTime() < KEPT_MS;
  return [...versions].flatMap(([serial, hosts]) => {
    const kept = Object.entries(hosts).filter(([, spans]) =>
      spans.some((one) => one.gone === undefined || isKept(one)),
    );
    return kept.length === 0 ? [] : [{ serial, hosts: Object.fromEntries(kept) }];
  });
}

function spansAfter(
  spans: readonly ServedSpan[],
  { at, before }: ServedChange,
  version: ServedChange['served'][number] | undefined,
): ServedSpan[] {
  const last = spans.at(-1);
  const open = last?.gone === undefined ? last : undefined;
  const closed = open === undefined ? [...spans] : spans.slice(0, -1);
  if (version === undefined) {
    if (open === undefined) return closed;
    return [...closed, { ...open, last: later(open.last, before), gone: at }];
  }
  const proved = version.isProved || open?.isProved;
  const times = open ?? { first: version.since, last: at };
  return [...closed, { ...times, ...(proved && { isProved: true as const }) }];
}

function later(a: Date, b: Date | undefined): Date {
  return b !== undefined && b > a ? b : a;
}

async function put(bucket: Bucket, key: string, text: string, etag: string | undefined): Promise<boolean> {
  const condition: PutCondition = etag === undefined ? { ifNoneMatch: '*' } : { ifMatch: etag };
  return (await bucket.put(key, text, condition)) !== 'precondition-failed';
}
