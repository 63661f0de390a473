/**
 * Coalesces the TXT changes of a pass into one ChangeBatch per zone: all requests that wait when a batch begins go
 * together. Each order's flow stays a straight line.
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

/** The change's id; or why the zone did not accept the batch as such. */
export type ChangeResult = { id: string } | { refused: string };

/** What the batcher needs of a zone, one request each (but for a long list). */
export interface TxtZone {
  /** For messages: name and id. */
  readonly title: string;
  /** Atomic. */
  change(changes: readonly TxtChange[]): Promise<ChangeResult>;
  /** The TXT record sets of these names that exist. */
  list(names: readonly string[]): Promise<Map<string, TxtRecordSet>>;
  /** Waits until all name servers of the zone have the change. @throws AcmeDeadline if the pass ends before */
  waitInsync(id: string): Promise<void>;
}

interface PendingRequest extends TxtRequest {
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** By the record's name: requests for one name become one change. */
type Batch = ReadonlyMap<string, readonly PendingRequest[]>;

/** A batch begins when no request has come for this long, or one has waited for too long. */
const QUIET_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** Route 53: 1,000 resource records and 32,000 characters of values in a batch. */
const NAMES_PER_BATCH = 200;

export class ChangeBatcher {
  readonly #zone: TxtZone;
  readonly #timing: Timing;
  /** Go with the next batch. */
  #waiting: PendingRequest[] = [];
  #isRunning = false;
  /** Record sets as our last change left them (`undefined`: none): spares reading the zone. Others may have changed them since. */
  readonly #written = new Map<string, TxtRecordSet | undefined>();
  /** Of the zone's newest change: when it is in sync, so are those before it. */
  #lastChangeId: string | undefined;

  constructor(zone: TxtZone, timing: Timing) {
    this.#zone = zone;
    this.#timing = timing;
  }

  /** Resolves when all name servers of the zone have the value. */
  add(name: string, value: string): Promise<void> {
    return this.#request(name, value, true);
  }

  /** Resolves when the zone has accepted the change: nothing waits for a value to vanish. */
  remove(name: string, value: string): Promise<void> {
    return this.#request(name, value, false);
  }

  #request(name: string, value: string, isWanted: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ name, value: `"${value}"`, isWanted, resolve, reject });
      // Errors reach the requests; none is left for #run itself.
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      await this.#gather();
      const requests = this.#waiting;
      this.#waiting = [];
      await Promise.all(
        batchesOf(requests).map((batch) => this.#submit(batch).catch((error) => fail(batch, error))),
      );
    }
    this.#isRunning = false;
  }

  async #gather(): Promise<void> {
    const { now, deadline, sleep } = this.#timing;
    let count = 0;
    for (let waited = 0; count < this.#waiting.length && waited < LONGEST_WAIT_MS; waited += QUIET_MS) {
      count = this.#waiting.length;
      await sleep(Math.max(0, Math.min(QUIET_MS, deadline.getTime() - now().getTime())));
    }
  }

  /** First by what we wrote; if the zone holds something else, by what it says; if it refuses that too, in halves. */
  async #submit(batch: Batch): Promise<void> {
    const needsNoReading = [...batch].every(
      ([name, requests]) => this.#written.has(name) || requests.every(({ isWanted }) => isWanted),
    );
    if (needsNoReading && (await this.#send(batch, this.#written)) === undefined) return;
    await this.#submitAfterReading(batch);
  }

  async #submitAfterReading(batch: Batch): Promise<void> {
    const refused = await this.#send(batch, await this.#zone.list([...batch.keys()]), rewritten);
    if (refused === undefined) return;
    const entries = [...batch];
    const [[name] = ['']] = entries;
    if (entries.length === 1) {
      const message = `${this.#zone.title} refused the TXT record ${name}: ${refused}`;
      return fail(batch, new DnsFailed('ERR_DNS_CHANGE', message));
    }
    const middle = Math.ceil(entries.length / 2);
    // One after the other: Route 53 takes five requests a second. A failure of one half leaves the other alone.
    for (const half of [new Map(entries.slice(0, middle)), new Map(entries.slice(middle))]) {
      await this.#submitAfterReading(half).catch((error) => fail(half, error));
    }
  }

  /**
   * @param before the record sets that the changes start from
   * @param orElse the changes for a set that needs none, but has requests that wait for it
   * @returns why the zone refused the batch, if it did
   */
  async #send(
    batch: Batch,
    before: ReadonlyMap<string, TxtRecordSet | undefined>,
    orElse: (name: string, set: TxtRecordSet) => TxtChange[] = () => [],
  ): Promise<string | undefined> {
    const after = new Map([...batch].map(([name, requests]) => [name, applied(before.get(name), requests)]));
    const changes = [...after].flatMap(([name, set]) => {
      const needed = changesBetween(name, before.get(name), set);
      const isAwaited = batch.get(name)?.some(({ isWanted }) => isWanted);
      return needed.length === 0 && set !== undefined && isAwaited ? orElse(name, set) : needed;
    });
    // Until the zone answers, nothing is known of these names: a change whose answer was lost may have been made.
    for (const name of after.keys()) this.#written.delete(name);
    const result = changes.length === 0 ? { id: this.#lastChangeId } : await this.#zone.change(changes);
    if ('refused' in result) return result.refused;
    this.#lastChangeId = result.id;
    for (const [name, set] of after) this.#written.set(name, set);
    this.#settle(batch, result.id);
    return undefined;
  }

  /** Does not wait for INSYNC itself: the next batch may begin meanwhile. */
  #settle(batch: Batch, changeId: string | undefined): void {
    const requests = [...batch.values()].flat();
    for (const { isWanted, resolve } of requests) if (!isWanted) resolve();
    const added = requests.filter(({ isWanted }) => isWanted);
    if (added.length === 0) return;
    const visible = changeId === undefined ? Promise.resolve() : this.#zone.waitInsync(changeId);
    for (const { resolve, reject } of added) visible.then(resolve, reject);
  }
}

function fail(batch: Batch, error: unknown): void {
  for (const { reject } of [...batch.values()].flat()) reject(error);
}

/**
 * Names that a CNAME led to go by themselves: a policy that allows `_acme-challenge.*` only (docs/dns-01.md) denies a
 * batch as a whole, and the usual names must not fail with them.
 */
function batchesOf(requests: readonly PendingRequest[]): Batch[] {
  const byName = new Map<string, PendingRequest[]>();
  for (const request of requests) byName.set(request.name, [...(byName.get(request.name) ?? []), request]);
  const isUsual = ([name]: [string, readonly PendingRequest[]]) => name.startsWith('_acme-challenge.');
  const entries = [...byName];
  return [entries.filter(isUsual), entries.filter((entry) => !isUsual(entry))].flatMap(inPortions);
}

function inPortions(entries: readonly (readonly [string, readonly PendingRequest[]])[]): Batch[] {
  return Array.from(
    { length: Math.ceil(entries.length / NAMES_PER_BATCH) },
    (_, index) => new Map(entries.slice(index * NAMES_PER_BATCH, (index + 1) * NAMES_PER_BATCH)),
  );
}
