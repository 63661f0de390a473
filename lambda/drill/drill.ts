/**
 * Plays the replacement of many certificates in virtual time: the issuer's own decisions, budget, pauses and back-off, pass after pass,
 * against a simulated CA. Not played: validations that fail, and other certificates that are due meanwhile.
 */

import { DAY_MS, MINUTE_MS, SECOND_MS, spanText } from '#common/time.ts';
import type { Bucket } from '#storage/bucket.ts';
import { CaBudget } from '../ca/budget.ts';
import { type CaState, caEntryOf } from '../ca/state.ts';
import type { AcmeSettings } from '../config/acme.ts';
import type { ChallengeName } from '../config/challenge.ts';
import type { Config } from '../config/config.ts';
import { LIMIT_KINDS } from '../config/limits.ts';
import { afterFailure } from '../order/back-off.ts';
import type { OrderRecord } from '../order/record.ts';
import { MIN_ORDER_MS } from '../pass/issuing/issue.ts';
import { withinBudget } from '../pass/limits/within-budget.ts';
import { challengeOf, makePlan, type Plan } from '../pass/plan.ts';
import type { RenewalWindow } from '../pass/renewal-windows.ts';
import type { PublishedCertificate } from '../replacement/published.ts';
import { type Lane, Lanes } from './lanes.ts';
import { SimulatedCa } from './simulated-ca.ts';

export interface DrillInput {
  config: Config;
  /** Nothing is written to it. */
  bucket: Bucket;
  /** That are to be replaced. */
  certificates: readonly PublishedCertificate[];
  /** By certID, as the last pass has left them. */
  windows: ReadonlyMap<string, RenewalWindow>;
  caState: CaState;
  from: Date;
  /** From newOrder to the certificate; default: what is usual for the challenge. */
  orderMs?: number | undefined;
}

export interface DrillResult {
  directoryUrl: string;
  certificates: number;
  replaced: number;
  /** When the last of them was; absent: none. */
  lastAt?: Date;
  passes: number;
  /** What made certificates wait, that which did so last first. */
  delays: readonly { by: string; until: Date }[];
}

/** A Lambda has 15 minutes, of which the issuer keeps 20 s; a pass on a machine has as much. */
const PASS_MS = 880 * SECOND_MS;
/** What is not replaced by then is left. */
const LONGEST_MS = 60 * DAY_MS;
const NO_MS = 0;

interface Subject extends PublishedCertificate {
  /** In ms since the epoch: until then, each pass would decide the same. */
  asleepUntil: number;
}

interface PassView {
  budget: CaBudget;
  lanes: Lanes;
  deadline: number;
}

/** Each certificate at this CA, as if it were the only one that is configured. */
export function drillAt(settings: AcmeSettings, input: DrillInput): DrillResult {
  return new Drill(settings, input).run();
}

class Drill {
  readonly #input: DrillInput;
  readonly #config: Config;
  readonly #ca: SimulatedCa;
  /** By reason, when it last held one back. */
  readonly #delays = new Map<string, Date>();
  /** That come first. */
  readonly #challenges: ReadonlySet<ChallengeName | undefined>;
  /** Still to be replaced. */
  readonly #left: Map<string, Subject>;
  #state: CaState;
  #now: Date;
  #lastAt = NO_MS;

  constructor(settings: AcmeSettings, input: DrillInput) {
    this.#input = input;
    this.#config = { ...input.config, acme: settings, fallback: [] };
    this.#ca = new SimulatedCa(settings);
    this.#state = input.caState;
    this.#now = input.from;
    const { buckets = {} } = caEntryOf(input.caState, settings.directoryUrl);
    for (const kind of LIMIT_KINDS) this.#ca.fill(kind, buckets[kind] ?? {});
    this.#challenges = new Set(input.certificates.map(({ spec }) => spec.challenge[0]));
    // Orders of before the request are not continued.
    const all = input.certificates.map((one) => ({ ...one, stored: undefined, asleepUntil: NO_MS }));
    this.#left = new Map(all.sort(byEnd).map((one) => [one.spec.name, one]));
  }

  run(): DrillResult {
    const { certificates, from } = this.#input;
    const wakeMs = this.#config.wakeMinutes * MINUTE_MS;
    let passes = 0;
    // The worst case: the last pass has begun a moment before the request.
    for (let wake = from.getTime() + wakeMs; this.#left.size > 0; wake = this.#wakeAfter(wake, wakeMs)) {
      if (wake > from.getTime() + LONGEST_MS) break;
      this.#pass(wake, wakeMs);
      passes += 1;
    }
    const delays = [...this.#delays].map(([by, until]) => ({ by, until }));
    return {
      directoryUrl: this.#config.acme.directoryUrl,
      ...{ certificates: certificates.length, replaced: certificates.length - this.#left.size, passes },
      ...(this.#lastAt > 0 && { lastAt: new Date(this.#lastAt) }),
      delays: delays.sort((a, b) => b.until.getTime() - a.until.getTime()),
    };
  }

  /** While a pass works, no other begins. */
  #wakeAfter(wake: number, wakeMs: number): number {
    const skipped = Math.max(1, Math.ceil((this.#now.getTime() - wake) / wakeMs));
    return wake + skipped * wakeMs;
  }

  #pass(begin: number, wakeMs: number): void {
    this.#now = new Date(begin);
    const { bucket, orderMs } = this.#input;
    const options = { bucket, config: this.#config, now: () => this.#now, log: () => undefined };
    const budget = new CaBudget(options, this.#state);
    const lanes = new Lanes({ concurrency: this.#config.concurrency, orderMs }, begin);
    const most = 2 * lanes.capacity(PASS_MS, this.#challenges);
    const plans = withinBudget(this.#plans(budget, wakeMs, most), budget);
    for (const plan of plans) this.#carryOut(plan, { budget, lanes, deadline: begin + PASS_MS });
    this.#state = budget.pruned();
    this.#now = new Date(lanes.lastEnd);
  }

  /** @param most more than a pass can do: those behind them would only wait */
  #plans(budget: CaBudget, wakeMs: number, most: number): Plan[] {
    const { directoryUrl, preferredChain } = this.#config.acme;
    const ca = { directoryUrl, preferredChain, pausedUntil: budget.pausedUntil(directoryUrl) };
    const { windows, from: replaceSince } = this.#input;
    const context = { cas: [ca], budget, windows, forced: false, now: this.#now, wakeMs };
    const awake = [...this.#left.values()].filter(({ asleepUntil }) => asleepUntil <= this.#now.getTime());
    return awake
      .slice(0, most)
      .map(({ spec, published, stored }) =>
        makePlan({ spec, published, stored, isFreshKey: true, replaceSince }, context),
      );
  }

  #carryOut(plan: Plan, view: PassView): void {
    const { decision, held } = plan;
    switch (decision.action) {
      case 'obtain':
      case 'resume':
        this.#order(plan, view);
        return;
      case 'defer':
        // A certificate that backs off says what the CA has refused.
        this.#delay(
          plan,
          held?.text ?? plan.failure?.message ?? decision.reason,
          ('until' in decision ? decision.until : undefined) ?? this.#now,
        );
        return;
      case 'keep':
        this.#left.delete(plan.spec.name);
    }
  }

  #order(plan: Plan, { budget, lanes, deadline }: PassView): void {
    const lane = lanes.next(challengeOf(plan));
    const { request } = plan.reservation ?? {};
    if (request === undefined) return;
    this.#now = new Date(lane.freeAt);
    const { directoryUrl } = request;
    const refused = budget.refusedBy(request);
    const pausedUntil = refused?.until ?? budget.pausedUntil(directoryUrl);
    if (deadline - lane.freeAt < MIN_ORDER_MS || pausedUntil !== undefined) {
      budget.release(plan.reservation);
      const rate = `${lanes.text(challengeOf(plan))}, a pass every ${this.#config.wakeMinutes} min`;
      const paused = refused?.text ?? `${directoryUrl} asks for a pause`;
      this.#delay(plan, pausedUntil === undefined ? rate : paused, pausedUntil ?? this.#now);
      return;
    }
    try {
      this.#ca.order(request, this.#now);
      budget.release(plan.reservation, request.count);
      budget.recordIssued(request);
      this.#replaced(plan, lane, deadline);
    } catch (error) {
      this.#fail(plan, error);
      budget.release(plan.reservation);
      budget.recordFailure(directoryUrl, error, true, request.identifiers);
      // One request, no validation.
      lane.freeAt += SECOND_MS;
    }
  }

  #replaced({ spec }: Plan, lane: Lane, deadline: number): void {
    const end = lane.freeAt + lane.orderMs;
    // The next pass goes on with what has no end in this one.
    const late = end > deadline ? this.#config.wakeMinutes * MINUTE_MS - PASS_MS : NO_MS;
    this.#lastAt = Math.max(this.#lastAt, end + Math.max(NO_MS, late));
    lane.freeAt = Math.min(end, deadline);
    this.#left.delete(spec.name);
  }

  #fail({ spec, stored }: Plan, error: unknown): void {
    const subject = this.#left.get(spec.name);
    if (subject === undefined) return;
    const record = stored?.record ?? newRecord(spec, this.#config.acme.directoryUrl, this.#now);
    // Without jitter: the same drill gives the same answer.
    const failed = { ...record, ...afterFailure(record, error, this.#now, NO_MS) };
    subject.stored = { name: spec.name, isResumed: true, record: failed, etag: '' };
  }

  #delay({ spec }: Plan, by: string, until: Date): void {
    const last = this.#delays.get(by);
    if (last === undefined || last < until) this.#delays.set(by, until);
    const subject = this.#left.get(spec.name);
    if (subject !== undefined) subject.asleepUntil = until.getTime();
  }
}

/** As withinBudget sorts: what expires first is replaced first. */
function byEnd({ published: a }: PublishedCertificate, { published: b }: PublishedCertificate): number {
  const endOf = (entry: PublishedCertificate['published']) =>
    Math.min(...(entry?.pems ?? []).map(({ notAfter }) => Date.parse(notAfter)));
  return endOf(a) - endOf(b);
}

function newRecord(
  { identifiers, keyTypes }: PublishedCertificate['spec'],
  directoryUrl: string,
  now: Date,
): OrderRecord {
  const legs = keyTypes.map((keyType) => ({ keyType, key: '', presented: [] }));
  return { version: 1, createdAt: now, directoryUrl, identifiers, legs, failures: 0, notBefore: now };
}

/** For people: `in 5 h`, or that it takes too long. */
export function drillText({ certificates, replaced, lastAt }: DrillResult, from: Date): string {
  if (lastAt === undefined) return `none of ${certificates} could be replaced in ${spanText(LONGEST_MS)}`;
  const after = spanText(lastAt.getTime() - from.getTime());
  if (replaced < certificates) return `${replaced} of ${certificates} replaced in ${spanText(LONGEST_MS)}`;
  return `all ${certificates} replaced after ${after}`;
}
