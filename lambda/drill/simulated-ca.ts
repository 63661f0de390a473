/**
 * A CA that exists for a drill: it issues at once, and refuses by its published limits, in the words of Boulder (ratelimits/limiter.go), so that
 * pauses and refusals are understood as those of a real one.
 */

import { AcmeProblem } from '../acme/problem.ts';
import { type BudgetRequest, type Demand, demandsOf, isExempt } from '../ca/demands.ts';
import { limitsOf } from '../ca/limits.ts';
import { roomAt, taken, tokensIn } from '../ca/token-bucket.ts';
import type { AcmeSettings } from '../config/acme.ts';
import { knownCaOf } from '../config/known-cas.ts';
import { type CaLimits, type Limit, type LimitKind, NO_LIMITS } from '../config/limits.ts';

/** Limits that an order can meet; validations do not fail in a drill. */
const OF_ORDERS: ReadonlySet<LimitKind> = new Set([
  'newOrders',
  'certificatesPerDomain',
  'certificatesPerNames',
]);

export class SimulatedCa {
  readonly #limits: CaLimits;
  /** By limit and subject: when the bucket is full again. */
  readonly #fullAt = new Map<string, Date>();
  refusals = 0;

  constructor(settings: AcmeSettings) {
    this.#limits = limitsOfCa(settings);
  }

  /** What was placed before the drill, as far as the issuer has counted it. */
  fill(kind: LimitKind, subjects: Readonly<Record<string, Date>>): void {
    for (const [subject, fullAt] of Object.entries(subjects)) {
      this.#fullAt.set(keyOf({ kind, subject }), fullAt);
    }
  }

  /** @throws AcmeProblem `rateLimited` */
  order(request: BudgetRequest, now: Date): void {
    const demands = demandsOf(request).filter(({ kind, tokens }) => OF_ORDERS.has(kind) && tokens > 0);
    for (const demand of demands) {
      const limit = this.#limits.limits[demand.kind];
      const isHeld = limit !== undefined && !isExempt(this.#limits, request, demand.kind);
      if (isHeld) this.#check(demand, limit, now);
    }
    for (const demand of demands) {
      const limit = this.#limits.limits[demand.kind];
      // What is exempt is counted for its set of names all the same.
      const isCounted =
        demand.kind === 'certificatesPerNames' || !isExempt(this.#limits, request, demand.kind);
      if (limit !== undefined && isCounted) this.#take(demand, limit, now);
    }
  }

  #check(demand: Demand, limit: Limit, now: Date): void {
    const fullAt = this.#fullAt.get(keyOf(demand));
    if (tokensIn(limit, fullAt, now) >= demand.tokens) return;
    this.refusals += 1;
    const retryAfter = roomAt(limit, fullAt, demand.tokens, now);
    const type = 'urn:ietf:params:acme:error:rateLimited';
    throw new AcmeProblem({ type, detail: detailOf(demand, limit) }, 429, retryAfter);
  }

  #take(demand: Demand, limit: Limit, now: Date): void {
    const key = keyOf(demand);
    this.#fullAt.set(key, taken(limit, this.#fullAt.get(key), demand.tokens, now));
  }
}

function keyOf({ kind, subject }: Pick<Demand, 'kind' | 'subject'>): string {
  return `${kind} ${subject}`;
}

/** Without the margin that our own budget keeps. */
function limitsOfCa(settings: AcmeSettings): CaLimits {
  const limits = limitsOf({ acme: settings }, settings.directoryUrl);
  const isSet = settings.limits === false || settings.limits?.newOrders !== undefined;
  const { newOrders } = (knownCaOf(settings.directoryUrl) ?? NO_LIMITS).limits;
  if (isSet || newOrders === undefined) return limits;
  return { ...limits, limits: { ...limits.limits, newOrders } };
}

function detailOf({ kind, subject }: Demand, { count }: Limit): string {
  switch (kind) {
    case 'newOrders':
      return `too many new orders (${count}) from this account in the last 3h0m0s`;
    case 'certificatesPerDomain':
      return `too many certificates (${count}) already issued for "${subject}" in the last 168h0m0s`;
    default:
      return `too many certificates (${count}) already issued for this exact set of identifiers in the last 168h0m0s`;
  }
}
