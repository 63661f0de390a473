/**
 * Gathers the TXT values that many orders want in one zone, or want gone, and writes them in as few batches as may be:
 * all that wait when a batch begins go together. Each order's flow stays a straight line.
 */
import type { Timing } from '../../acme/poll.ts';
import { DnsFailed } from '../errors.ts';
import {
  applied,
  changesBetween,
  rewritten,
  type TxtChange,
  type TxtRecordSet,
  type TxtRequest,
} from './txt-record-set.ts';

/** What is needed of a zone, one request each (but for a long list). */
export interface ZoneApi {
  /** For messages: name and id. */
  readonly title: string;
  /** Atomic. @returns the change's id, or `refused` if the batch as such is not acceptable, with the reason */
  change(changes: readonly TxtChange[]): Promise<{ id: string } | { refused: string }>;
  /** The TXT record sets of these names that exist. */
  list(names: readonly string[]): Promise<Map<string, TxtRecordSet>>;
  /** Until all name servers of the zone have it. @throws AcmeDeadline if the pass ends before */
  waitInsync(id: string): Promise<void>;
}

export interface TxtLoader {
  /** Visible everywhere when it returns. */
  add(name: string, value: string): Promise<void>;
  /** Accepted when it returns; nobody waits for an end. */
  remove(name: string, value: string): Promise<void>;
}

interface Waiting extends TxtRequest {
  resolve: () => void;
  reject: (error: unknown) => void;
}

type ByName = ReadonlyMap<string, readonly Waiting[]>;

/** A batch begins when nobody has come for this long, or somebody has waited for too long. */
const QUIET_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** Route 53: 1,000 resource records and 32,000 characters of values in a batch. */
const NAMES_PER_BATCH = 200;

export function txtLoader(zone: ZoneApi, timing: Timing): TxtLoader {
  let waiting: Waiting[] = [];
  let isRunning = false;
  /** What we have written and nobody else has touched, as far as we know. */
  const known = new Map<string, TxtRecordSet | undefined>();
  /** Of the zone's newest change: when it is in sync, so are those before it. */
  let lastId: string | undefined;

  async function run(): Promise<void> {
    isRunning = true;
    while (waiting.length > 0) {
      await gather();
      const batch = waiting;
      waiting = [];
      await Promise.all(
        chunks(byName(batch)).map((chunk) => flush(chunk).catch((error) => fail(chunk, error))),
      );
    }
    isRunning = false;
  }

  async function gather(): Promise<void> {
    for (let waited = 0, seen = 0; seen < waiting.length && waited < LONGEST_WAIT_MS; waited += QUIET_MS) {
      seen = waiting.length;
      await timing.sleep(Math.max(0, Math.min(QUIET_MS, timing.deadline.getTime() - timing.now().getTime())));
    }
  }

  /** First by what we know; if the zone holds something else, by what it says; if that is refused too, in halves. */
  async function flush(chunk: ByName): Promise<void> {
    const isSure = [...chunk].every(
      ([name, wishes]) => known.has(name) || wishes.every((wish) => wish.isWanted),
    );
    if (isSure && (await write(chunk, known)) === undefined) return;
    await flushByTruth(chunk);
  }

  async function flushByTruth(chunk: ByName): Promise<void> {
    const refused = await write(chunk, await zone.list([...chunk.keys()]), rewritten);
    if (refused === undefined) return;
    const [[name] = [''], ...others] = chunk;
    if (others.length === 0)
      return fail(
        chunk,
        new DnsFailed('ERR_DNS_CHANGE', `${zone.title} refused the TXT record ${name}: ${refused}`),
      );
    const entries = [...chunk];
    const middle = Math.ceil(entries.length / 2);
    // One after the other: Route 53 takes five requests a second. What fails in one half is not the other's failure.
    for (const half of [new Map(entries.slice(0, middle)), new Map(entries.slice(middle))])
      await flushByTruth(half).catch((error) => fail(half, error));
  }

  /**
   * @param orElse the changes for a set that is as it is wanted, where somebody waits for it
   * @returns why the zone refused the batch, if it did
   */
  async function write(
    chunk: ByName,
    before: ReadonlyMap<string, TxtRecordSet | undefined>,
    orElse: (name: string, set: TxtRecordSet) => TxtChange[] = () => [],
  ): Promise<string | undefined> {
    const after = new Map([...chunk].map(([name, wishes]) => [name, applied(before.get(name), wishes)]));
    const changes = [...after].flatMap(([name, set]) => {
      const needed = changesBetween(name, before.get(name), set);
      const isAwaited = chunk.get(name)?.some(({ isWanted }) => isWanted);
      return needed.length === 0 && set !== undefined && isAwaited ? orElse(name, set) : needed;
    });
    // Until there is an answer nobody knows what is there: a change whose answer was lost may have been made.
    for (const name of after.keys()) known.delete(name);
    const result = changes.length === 0 ? { id: lastId } : await zone.change(changes);
    if ('refused' in result) return result.refused;
    lastId = result.id;
    for (const [name, set] of after) known.set(name, set);
    settle(chunk, lastId);
    return undefined;
  }

  /** Not waited for here: the next batch may begin meanwhile. */
  function settle(chunk: ByName, id: string | undefined): void {
    const all = [...chunk.values()].flat();
    for (const { isWanted, resolve } of all) if (!isWanted) resolve();
    const added = all.filter(({ isWanted }) => isWanted);
    if (added.length === 0) return;
    const visible = id === undefined ? Promise.resolve() : zone.waitInsync(id);
    for (const { resolve, reject } of added) visible.then(resolve, reject);
  }

  const wish = (name: string, value: string, isWanted: boolean) =>
    new Promise<void>((resolve, reject) => {
      waiting.push({ name, value: `"${value}"`, isWanted, resolve, reject });
      // Errors reach whoever waits; there is none left for run() itself.
      if (!isRunning) void run();
    });
  return {
    add: (name, value) => wish(name, value, true),
    remove: (name, value) => wish(name, value, false),
  };
}

function fail(chunk: ByName, error: unknown): void {
  for (const { reject } of [...chunk.values()].flat()) reject(error);
}

function byName(wishes: readonly Waiting[]): ByName {
  const names = new Map<string, Waiting[]>();
  for (const wish of wishes) names.set(wish.name, [...(names.get(wish.name) ?? []), wish]);
  return names;
}

/**
 * Names that a CNAME led to go by themselves: a policy that allows `_acme-challenge.*` only (docs/dns-01.md) denies a
 * batch as a whole, and the others are not to fail with them.
 */
function chunks(names: ByName): ByName[] {
  const isUsual = ([name]: [string, readonly Waiting[]]) => name.startsWith('_acme-challenge.');
  const entries = [...names];
  const led = entries.filter((entry) => !isUsual(entry));
  return [entries.filter(isUsual), led].flatMap(inChunks);
}

function inChunks(entries: readonly (readonly [string, readonly Waiting[]])[]): ByName[] {
  return Array.from(
    { length: Math.ceil(entries.length / NAMES_PER_BATCH) },
    (_, index) => new Map(entries.slice(index * NAMES_PER_BATCH, (index + 1) * NAMES_PER_BATCH)),
  );
}
