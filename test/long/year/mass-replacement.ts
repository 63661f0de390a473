/**
 * Many certificates are replaced at once on a simulated clock that ticks by the second: the real requests, decisions and budget, and a CA with
 * Let's Encrypt's limits that is written apart from the drill's, so that the two can be compared. Orders take five to fifteen seconds,
 * passes come up to a minute late, and one of them is killed.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '#common/time.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { AcmeProblem } from '../../../lambda/acme/problem.ts';
import { CaBudget } from '../../../lambda/ca/budget.ts';
import type { CaState } from '../../../lambda/ca/state.ts';
import type { Config } from '../../../lambda/config/config.ts';
import { afterFailure } from '../../../lambda/order/back-off.ts';
import { withinBudget } from '../../../lambda/pass/limits/within-budget.ts';
import { makePlan, type Plan } from '../../../lambda/pass/plan.ts';
import { Replacements } from '../../../lambda/replacement/covered.ts';
import type { PublishedCertificate } from '../../../lambda/replacement/published.ts';
import { memoryBucket } from '../../support/bucket/memory-bucket.ts';
import { makeRecord } from '../../support/issuer/documents.ts';

export interface MassOptions {
  config: Config;
  certificates: readonly PublishedCertificate[];
  /** Of the request. */
  from: Date;
  /** The pass with this number dies after five minutes. */
  killed?: number;
}

export interface MassResult {
  hours: number;
  orders: number;
  refusals: number;
  /** Issued more than once. */
  twice: number;
}

const [PASS_MS, LEAST_ORDER_MS, KILLED_AFTER_MS] = [880 * SECOND_MS, 30 * SECOND_MS, 5 * MINUTE_MS];
const SILENT = { bucket: memoryBucket(), log: () => undefined };

/** The CA: 300 orders in three hours that refill one by one; names that it has issued for in 120 days are exempt, but for 5 a week. */
class LimitedCa {
  readonly #url: string;
  readonly #perSet = new Map<string, number[]>();
  #tokens = 300;
  #at: number;
  orders = 0;
  refusals = 0;

  constructor(url: string, from: number) {
    this.#url = url;
    this.#at = from;
  }

  order({ spec, published }: PublishedCertificate, now: number): void {
    const set = (this.#perSet.get(spec.name) ?? []).filter((at) => now - at < 7 * DAY_MS);
    if (set.length >= 5) this.#refuse('too many certificates (5) already issued for this exact set of', now);
    this.#tokens = Math.min(300, this.#tokens + ((now - this.#at) * 300) / (3 * HOUR_MS));
    this.#at = now;
    if (published?.issued.directoryUrl !== this.#url) {
      if (this.#tokens < 1) this.#refuse('too many new orders (300) from this account', now);
      this.#tokens -= 1;
    }
    this.#perSet.set(spec.name, [...set, now]);
    this.orders += 1;
  }

  #refuse(detail: string, now: number): never {
    this.refusals += 1;
    const type = 'urn:ietf:params:acme:error:rateLimited';
    throw new AcmeProblem({ type, detail }, 429, new Date(now + 36 * SECOND_MS));
  }
}

export function replaceMany({ config, certificates, from, killed }: MassOptions): MassResult {
  const random = linearCongruential(7);
  const { directoryUrl } = config.acme;
  const ca = new LimitedCa(directoryUrl, from.getTime());
  const all = new Map(certificates.map((one) => [one.spec.name, { ...one }]));
  const issued = new Map<string, number>();
  const request = { at: from.toISOString(), scope: { all: true } as const, certificates: all.size };
  const wakeMs = config.wakeMinutes * MINUTE_MS;
  let state: CaState = { version: 1, cas: {}, sets: {} };
  let lastAt = from.getTime();
  for (let number = 1; issued.size < all.size && number < 2000; number += 1) {
    let now = from.getTime() + number * wakeMs + Math.floor(random() * 60) * SECOND_MS;
    const begin = now;
    const budget = new CaBudget({ ...SILENT, config, now: () => new Date(now) }, state);
    const replacements = new Replacements([request], new Date(now));
    const cas = [{ directoryUrl, pausedUntil: budget.pausedUntil(directoryUrl) }];
    const context = { cas, budget, windows: new Map(), forced: false, now: new Date(now), wakeMs };
    const due = [...all.values()].map((one) => {
      const replaceSince = replacements.replaceSince(one.published);
      return makePlan({ ...one, isFreshKey: false, replaceSince }, context);
    });
    const queue = withinBudget(due, budget).filter(({ decision }) => 'directoryUrl' in decision);
    const running: { endAt: number; plan: Plan }[] = [];
    const end = begin + (number === killed ? KILLED_AFTER_MS : PASS_MS);
    while (now < end && (queue.length > 0 || running.length > 0)) {
      for (const one of running.filter(({ endAt }) => endAt <= now)) {
        running.splice(running.indexOf(one), 1);
        const name = one.plan.spec.name;
        const host = all.get(name);
        if (host?.published === undefined) throw new Error(`${name} was published`);
        all.set(name, replaced(host, host.published, directoryUrl, now));
        issued.set(name, (issued.get(name) ?? 0) + 1);
        lastAt = now;
      }
      while (running.length < config.concurrency && queue.length > 0 && end - now >= LEAST_ORDER_MS) {
        const plan = queue.shift() as Plan;
        const order = plan.reservation?.request;
        if (order === undefined || budget.refusedBy(order) || budget.pausedUntil(directoryUrl)) continue;
        try {
          ca.order(plan, now);
          budget.release(plan.reservation, order.count);
          budget.recordIssued(order);
          running.push({ plan, endAt: now + Math.round(5 + random() * 10) * SECOND_MS });
        } catch (error) {
          const record = makeRecord({
            createdAt: new Date(now),
            directoryUrl,
            identifiers: plan.spec.identifiers as string[],
          });
          const failed = { ...record, ...afterFailure(record, error, new Date(now), random()) };
          const host = all.get(plan.spec.name);
          if (host) host.stored = { name: plan.spec.name, isResumed: true, record: failed, etag: '' };
          budget.release(plan.reservation);
          budget.recordFailure(directoryUrl, error, true, order.identifiers);
        }
      }
      if (end - now < LEAST_ORDER_MS && running.length === 0) break;
      now += SECOND_MS;
    }
    // A killed pass saves nothing of what it has counted since it began.
    if (number !== killed) state = budget.pruned();
  }
  const twice = [...issued.values()].filter((count) => count > 1).length;
  return { hours: (lastAt - from.getTime()) / HOUR_MS, orders: ca.orders, refusals: ca.refusals, twice };
}

function replaced(
  host: PublishedCertificate,
  old: ManifestEntry,
  directoryUrl: string,
  now: number,
): PublishedCertificate {
  const times = {
    notBefore: new Date(now - HOUR_MS).toISOString(),
    notAfter: new Date(now + 90 * DAY_MS).toISOString(),
  };
  const issued = { directoryUrl, accountUrl: directoryUrl };
  const pems = old.pems.map((pem) => ({ ...pem, ...times }));
  return {
    ...host,
    stored: undefined,
    published: { ...old, publishedAt: new Date(now).toISOString(), issued, pems },
  };
}

/** Numerical Recipes' generator: the same day every time. */
function linearCongruential(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
