/**
 * PEMs and staples that no manifest of the fleet, of either version, has in force for `keyRetention` are deleted, and shards that none names for
 * 30 days: their keys would lie there for ever. Age alone says nothing: a certificate of a private CA may be named for ten years. So a record
 * holds since when each object is not in force. A sweep looks at a part of the fleet's objects, and the next one goes on behind it.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { inParallel } from '#common/in-parallel.ts';
import { DAY_MS } from '#common/time.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { Manifest, PemRef } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readCached, serializeCached } from '#storage/cached-document.ts';

/** Of shards, which hold no key. */
const KEPT_DAYS = 30;
/** A record of an object that has gone otherwise is dropped so long after its time. */
const FORGOTTEN_DAYS = 60;
/** Of a listing: one request each. */
const PAGE_KEYS = 1_000;
const PAGES = 20;
const DELETIONS = 1_000;
const AT_ONCE = 16;

const garbageRecord = z.object({
  version: z.literal(1),
  /** The last key that was looked at; absent: the sweep has come to the end. */
  after: z.string().max(1024).optional(),
  /** By day (UTC): ids of objects that were first not in force then. */
  unnamed: z.record(z.iso.date(), z.array(z.string().max(32))),
});

/** @returns the keys that the fleet's manifests have in force now; undefined: not all of them can be read, so nothing is garbage */
export type ReadNamed = () => Promise<ReadonlySet<string> | undefined>;

export interface Sweep {
  bucket: Bucket;
  now: Date;
  /** Whole days that a key is kept after its certificate was in force last. */
  keptDays: number;
  /** Called before PEMs are deleted: who is killed then deletes them in the next sweep. */
  onDelete?: ((keys: readonly string[]) => Promise<void>) | undefined;
}

/**
 * Of a pass that has committed, the first of each day.
 * @returns keys that were deleted
 * @throws BucketError
 */
export async function sweepGarbage(
  { bucket, now, keptDays, onDelete }: Sweep,
  fleet: FleetName,
  readNamed: ReadNamed,
): Promise<string[]> {
  const named = await readNamed();
  if (named === undefined) return [];
  const { value: record } = await readCached(bucket, layout.garbage(fleet), garbageRecord);
  const { keys, after } = await listPages(bucket, fleet, record?.after ?? '');
  const keptOf = (key: string) => (SHARD.test(key) ? KEPT_DAYS : keptDays);
  const forgottenDays = Math.max(KEPT_DAYS, keptDays) + FORGOTTEN_DAYS;
  const since = new UnnamedSince(record?.unnamed ?? {}, now, forgottenDays);
  const old: string[] = [];
  for (const key of keys) {
    if (named.has(key)) since.forget(key);
    else if (since.daysOf(key) >= keptOf(key) && old.length < DELETIONS) old.push(key);
  }
  // Another pass may have published one of them again meanwhile: it does not write what is there.
  const namedNow = old.length === 0 ? named : await readNamed();
  const garbage = namedNow === undefined ? [] : old.filter((key) => !namedNow.has(key));
  if (garbage.length > 0) await onDelete?.(garbage);
  await inParallel(
    garbage,
    AT_ONCE,
    (key) => bucket.delete(key),
    (key) => key,
  );
  for (const key of garbage) since.forget(key);
  const next = { version: 1, ...(after !== undefined && { after }), unnamed: since.byDay() };
  await bucket.put(layout.garbage(fleet), serializeCached(next));
  return garbage;
}

/**
 * What was in force before is not: `previous` names it for hosts, which know it by its digest.
 * @param shards digests of the tree of a large manifest
 */
export function keysNamedBy(
  fleet: FleetName,
  manifests: readonly Pick<Manifest, 'certificates'>[],
  shards: Iterable<string> = [],
): Set<string> {
  const keys = new Set([...shards].map((sha256) => layout.shard(fleet, sha256)));
  for (const { certificates } of manifests) {
    for (const [name, { pems }] of Object.entries(certificates)) {
      for (const pem of pems) addKeys(keys, [fleet, name as CertificateName], pem);
    }
  }
  return keys;
}

function addKeys(
  keys: Set<string>,
  [fleet, name]: readonly [FleetName, CertificateName],
  { sha256, ocsp }: Pick<PemRef, 'sha256' | 'ocsp'>,
): void {
  keys.add(layout.pem(fleet, name, sha256));
  if (ocsp !== undefined) keys.add(layout.ocsp(fleet, name, sha256, ocsp.sha256));
}

/** What is named by digests, and therefore ours: a stranger's object stays. */
const IMMUTABLE =
  /^published\/[^/]+\/(pem\/[^/]+\/[0-9a-f]{64}(\.[0-9a-f]{64}\.ocsp|\.pem)|shard\/[0-9a-f]{64}\.json)$/;

const SHARD = /^published\/[^/]+\/shard\//;

async function listPages(bucket: Bucket, fleet: FleetName, start: string) {
  const keys: string[] = [];
  let after = start;
  for (let page = 0; page < PAGES; page += 1) {
    const listed = await bucket.listAfter(layout.published(fleet), after, PAGE_KEYS);
    keys.push(...listed.map(({ key }) => key).filter((key) => IMMUTABLE.test(key)));
    after = listed.at(-1)?.key ?? after;
    if (listed.length < PAGE_KEYS) return { keys, after: undefined };
  }
  return { keys, after };
}

/** Days on which objects were first unnamed. An object is there as a piece of its key's digest: there may be a hundred thousand. */
class UnnamedSince {
  readonly #days = new Map<string, string>();
  readonly #today: string;
  readonly #now: Date;

  constructor(byDay: Record<string, string[]>, now: Date, forgottenDays: number) {
    this.#now = now;
    this.#today = now.toISOString().slice(0, 10);
    for (const [day, ids] of Object.entries(byDay)) {
      // The clock was set back: it was unnamed then, whenever that was.
      const since = day > this.#today ? this.#today : day;
      if (this.#age(since) < forgottenDays) for (const id of ids) this.#days.set(id, since);
    }
  }

  /** Counts from today on, if it was named until now. */
  daysOf(key: string): number {
    const id = idOf(key);
    const day = this.#days.get(id) ?? this.#today;
    this.#days.set(id, day);
    return this.#age(day);
  }

  forget(key: string): void {
    this.#days.delete(idOf(key));
  }

  byDay(): Record<string, string[]> {
    const byDay: Record<string, string[]> = {};
    for (const [id, day] of this.#days) {
      const ids = byDay[day] ?? [];
      byDay[day] = ids;
      ids.push(id);
    }
    return byDay;
  }

  /** Whole days from the end of that day: never early. */
  #age(day: string): number {
    return Math.floor((this.#now.getTime() - Date.parse(day)) / DAY_MS) - 1;
  }
}

function idOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, 22);
}
