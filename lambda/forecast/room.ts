/** How little each limit of a CA leaves in the time of a forecast, and when. */
import { Buckets } from '../ca/buckets.ts';
import type { BudgetRequest } from '../ca/demands.ts';
import { demandsOf, isExempt } from '../ca/demands.ts';
import { heldBackBy } from '../ca/held-back.ts';
import { limitsByUrl } from '../ca/limits.ts';
import type { CaState } from '../ca/state.ts';
import { tokensIn } from '../ca/token-bucket.ts';
import type { Config } from '../config/config.ts';
import type { LimitKind } from '../config/limits.ts';

/** Orders take from these when they succeed; validations do not fail in a forecast. */
const OF_ORDERS: ReadonlySet<LimitKind> = new Set([
  'newOrders',
  'certificatesPerDomain',
  'certificatesPerNames',
]);

/** Where a limit comes closest to its end. */
export interface LeastRoom {
  directoryUrl: string;
  limit: LimitKind;
  /** What the limit allows: `50 certificates of example.com in 7 days`. */
  text: string;
  allowed: number;
  left: number;
  at: Date;
}

export class Room {
  readonly #limitsOf: ReturnType<typeof limitsByUrl>;
  readonly #least = new Map<string, LeastRoom>();

  constructor(config: Config) {
    this.#limitsOf = limitsByUrl(config);
  }

  /** @param state after these orders */
  note(state: CaState, orders: readonly BudgetRequest[], at: Date): void {
    const buckets = new Buckets(state);
    for (const request of orders) {
      const { directoryUrl } = request;
      const limits = this.#limitsOf(directoryUrl);
      for (const demand of demandsOf(request)) {
        const limit = limits.limits[demand.kind];
        const counts = OF_ORDERS.has(demand.kind) && !isExempt(limits, request, demand.kind);
        if (limit === undefined || !counts) continue;
        const left = tokensIn(limit, buckets.fullAt(directoryUrl, demand, limit), at);
        const key = `${directoryUrl} ${demand.kind} ${demand.subject}`;
        if (left >= (this.#least.get(key)?.left ?? Number.POSITIVE_INFINITY)) continue;
        const { text } = heldBackBy(directoryUrl, demand, limit, at);
        this.#least.set(key, { directoryUrl, limit: demand.kind, text, allowed: limit.count, left, at });
      }
    }
  }

  /** The one that leaves the smallest share first. */
  get least(): LeastRoom[] {
    return [...this.#least.values()].sort((a, b) => a.left / a.allowed - b.left / b.allowed);
  }
}
