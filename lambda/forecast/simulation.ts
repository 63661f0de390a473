/**
 * The passes of the next days in virtual time: the issuer's own decisions and budget, pass after pass, where each order succeeds at once. What
 * takes time in a pass, and what fails, is not played.
 */
import { MINUTE_MS } from '#common/time.ts';
import type { Bucket } from '#storage/bucket.ts';
import { CaBudget } from '../ca/budget.ts';
import type { BudgetRequest } from '../ca/demands.ts';
import type { CaState } from '../ca/state.ts';
import type { Config } from '../config/config.ts';
import { latestWakeMs } from '../config/schedule.ts';
import { emergencySince } from '../order/lifetime.ts';
import { withinBudget } from '../pass/limits/within-budget.ts';
import { caChoices, makePlan, type Plan } from '../pass/plan.ts';
import type { RenewalWindow } from '../pass/renewal-windows.ts';
import { Precedents } from './next-certificate.ts';
import { Room } from './room.ts';

export interface SimulationInput {
  readonly config: Config;
  /** Nothing is written to it. */
  readonly bucket: Bucket;
  /** As the pass of now has decided, before its orders were held against the limits. */
  readonly plans: readonly Plan[];
  /** By certID, as the last pass has left them. */
  readonly windows: ReadonlyMap<string, RenewalWindow>;
  readonly caState: CaState;
  readonly from: Date;
  readonly until: Date;
}

export interface SimulatedOrder {
  certificate: string;
  at: Date;
  reason: string;
  directoryUrl: string;
  /** Of this certificate, from 0. */
  number: number;
  /** The limit that it has waited for, and since when. */
  held?: { text: string; since: Date };
}

/** What will not come by itself, or nobody can say when. */
export interface Open {
  certificate: string;
  reason: string;
}

export interface SimulationResult {
  orders: SimulatedOrder[];
  open: Open[];
  room: Room;
}

interface Subject {
  plan: Plan;
  /** In ms since the epoch: until then, each pass would decide the same. */
  asleepUntil: number;
  number: number;
  held?: { text: string; since: Date } | undefined;
}

/** @param share of each window that is not known yet, at which its certificate is renewed */
export function simulate(input: SimulationInput, share: number): SimulationResult {
  return new Simulation(input, share).run();
}

class Simulation {
  readonly #input: SimulationInput;
  readonly #share: number;
  readonly #wakeMs: number;
  readonly #latestMs: number;
  readonly #subjects: Map<string, Subject>;
  readonly #windows: Map<string, RenewalWindow>;
  readonly #precedents: Precedents;
  readonly #result: SimulationResult;
  #state: CaState;

  constructor(input: SimulationInput, share: number) {
    const { config, plans, windows } = input;
    this.#input = input;
    this.#share = share;
    this.#wakeMs = config.wakeMinutes * MINUTE_MS;
    this.#latestMs = latestWakeMs(config.wakeMinutes);
    this.#subjects = new Map(plans.map((plan) => [plan.spec.name, { plan, asleepUntil: 0, number: 0 }]));
    this.#windows = new Map(windows);
    const published = plans.flatMap((plan) => plan.published ?? []);
    this.#precedents = new Precedents(config, published, windows);
    this.#result = { orders: [], open: [], room: new Room(config) };
    this.#state = input.caState;
  }

  run(): SimulationResult {
    const { from, until, plans } = this.#input;
    this.#pass(from, (budget) => withinBudget(plans, budget));
    for (let wake = this.#nextWake(from.getTime()); wake <= until.getTime(); wake = this.#nextWake(wake)) {
      this.#pass(new Date(wake), (budget) => withinBudget(this.#decide(new Date(wake), budget), budget));
    }
    return this.#result;
  }

  /** The first one after this one at which something can be different. */
  #nextWake(wake: number): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { asleepUntil } of this.#subjects.values()) first = Math.min(first, asleepUntil);
    return wake + Math.max(1, Math.ceil((first - wake) / this.#wakeMs)) * this.#wakeMs;
  }

  #decide(now: Date, budget: CaBudget): Plan[] {
    const cas = caChoices(this.#input.config, budget);
    const context = { cas, budget, windows: this.#windows, forced: false, now, wakeMs: this.#latestMs };
    const awake = [...this.#subjects.values()].filter(({ asleepUntil }) => asleepUntil <= now.getTime());
    return awake.map(({ plan: { decision: _, held: _held, hold, ...subject } }) => {
      // A pass reads only those that are in force.
      const isOver = hold?.until !== undefined && hold.until <= now;
      return makePlan({ ...subject, hold: isOver ? undefined : hold }, context);
    });
  }

  #pass(now: Date, plansIn: (budget: CaBudget) => Plan[]): void {
    const { bucket, config } = this.#input;
    const budget = new CaBudget({ bucket, config, now: () => now, log: () => undefined }, this.#state);
    const placed: BudgetRequest[] = [];
    for (const plan of plansIn(budget)) this.#carryOut(plan, { now, budget, placed });
    if (budget.state === this.#state) return;
    this.#state = budget.pruned();
    this.#result.room.note(this.#state, placed, now);
  }

  #carryOut(plan: Plan, pass: { now: Date; budget: CaBudget; placed: BudgetRequest[] }): void {
    const { decision, spec, held } = plan;
    const { now } = pass;
    const subject = this.#subjects.get(spec.name);
    if (subject === undefined) return;
    subject.plan = plan;
    switch (decision.action) {
      case 'keep':
        // Nobody orders it: `ending` says when it is over.
        if (decision.reason === 'imported') {
          this.#subjects.delete(spec.name);
          return;
        }
        // The last pass before the end of a window does not wait for its time.
        subject.asleepUntil = Math.max(now.getTime(), decision.until.getTime() - this.#latestMs);
        return;
      case 'defer':
        if (held !== undefined) subject.held ??= { text: held.text, since: now };
        if ('until' in decision) subject.asleepUntil = wakeFor(plan, decision.until);
        else this.#end(subject, decision.reason);
        return;
      case 'obtain':
      case 'resume':
        this.#order(subject, decision, pass);
    }
  }

  #order(
    subject: Subject,
    { directoryUrl, reason }: { directoryUrl: string; reason: string },
    { now, budget, placed }: { now: Date; budget: CaBudget; placed: BudgetRequest[] },
  ): void {
    const { plan, number, held } = subject;
    const { spec, published: before, reservation } = plan;
    if (reservation !== undefined) {
      budget.release(reservation, reservation.request.count);
      budget.recordIssued(reservation.request);
      placed.push(reservation.request);
    }
    this.#result.orders.push({
      ...{ certificate: spec.name, at: now, reason, directoryUrl, number },
      ...(held && { held }),
    });
    const id = `forecast ${spec.name} ${number}`;
    const ordered = { spec, before, directoryUrl };
    const issued = this.#precedents.issued(ordered, { now, share: this.#share, id, windows: this.#windows });
    if (issued === undefined) {
      this.#end(subject, 'lifetime-unknown');
      return;
    }
    for (const pem of before?.pems ?? []) this.#windows.delete(pem.certId ?? '');
    for (const [certId, window] of issued.windows) this.#windows.set(certId, window);
    subject.plan = freshPlan(plan, issued.entry);
    Object.assign(subject, { number: number + 1, held: undefined, asleepUntil: now.getTime() });
  }

  #end({ plan: { spec } }: Subject, reason: string): void {
    this.#subjects.delete(spec.name);
    this.#result.open.push({ certificate: spec.name, reason });
  }
}

/** An emergency does not wait for what others wait for. */
function wakeFor({ published }: Plan, until: Date): number {
  const times = (published?.pems ?? []).map((pem) => emergencySince(pem).getTime());
  const emergency = Math.min(...times);
  return emergency < until.getTime() ? emergency : until.getTime();
}

/** What was true of the certificate before it is not true of this one. */
function freshPlan(plan: Plan, published: Plan['published']): Plan {
  const none = {
    stored: undefined,
    isLost: false,
    isEnded: false,
    isRevoked: false,
    replaceSince: undefined,
  };
  return { ...plan, ...none, published, isFreshKey: false, isPostponed: false, refused: undefined };
}
