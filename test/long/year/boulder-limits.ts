/**
 * Let's Encrypt's limits as Boulder counts them (ratelimits/, wfe2/wfe.go, ra/ra.go; seen August 2026), written apart from the product's: what
 * the product counts wrong is refused here.
 */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { AcmeProblem } from '../../../lambda/acme/problem.ts';

/** Full at first; a token comes back each interval. */
class TokenBucket {
  readonly #count: number;
  readonly #intervalMs: number;
  #tokens: number;
  #at = 0;

  constructor(count: number, perMs: number) {
    this.#count = count;
    this.#intervalMs = perMs / count;
    this.#tokens = count;
  }

  tokensAt(now: number): number {
    this.#tokens = Math.min(this.#count, this.#tokens + (now - this.#at) / this.#intervalMs);
    this.#at = now;
    return this.#tokens;
  }

  spend(now: number): void {
    this.#tokens = Math.max(0, this.tokensAt(now) - 1);
  }

  /** When there is one token. */
  roomAt(now: number): number {
    return now + Math.max(0, 1 - this.tokensAt(now)) * this.#intervalMs;
  }
}

/** Boulder keeps them as whole nanoseconds. */
const ALMOST_ONE = 1 - 1e-6;
const SAME_NAMES_MS = 120 * DAY_MS;

export interface LimitedOrder {
  set: string;
  domain: string;
  /** It names a predecessor of the same account, and comes inside the suggested window. */
  isAriRenewal: boolean;
}

export class BoulderLimits {
  /** Each is one that the product should have held back. */
  refusals = 0;
  /** Orders that nothing exempted. */
  counted = 0;
  readonly #orders = new TokenBucket(300, 3 * HOUR_MS);
  readonly #sets = new Map<string, TokenBucket>();
  readonly #domains = new Map<string, TokenBucket>();
  readonly #issuedAt = new Map<string, number>();

  /** @throws AcmeProblem rateLimited */
  checkOrder(order: LimitedOrder, now: number): void {
    if (order.isAriRenewal) return;
    const isRenewal = this.#isRenewal(order, now);
    if (!isRenewal) {
      this.#check(this.#orders, 'too many new orders (300) from this account in the last 3h0m0s', now);
      const text = `too many certificates (50) already issued for "${order.domain}" in the last 168h0m0s`;
      this.#check(this.#domainOf(order), text, now);
    }
    const text = 'too many certificates (5) already issued for this exact set of identifiers';
    this.#check(this.#setOf(order), text, now);
    if (isRenewal) return;
    this.#orders.spend(now);
    this.counted += 1;
  }

  issued(order: LimitedOrder, now: number): void {
    if (!this.#isRenewal(order, now)) this.#domainOf(order).spend(now);
    this.#setOf(order).spend(now);
    this.#issuedAt.set(order.set, now);
  }

  #isRenewal({ set }: LimitedOrder, now: number): boolean {
    const before = this.#issuedAt.get(set);
    return before !== undefined && now - before < SAME_NAMES_MS;
  }

  #check(bucket: TokenBucket, text: string, now: number): void {
    if (bucket.tokensAt(now) >= ALMOST_ONE) return;
    this.refusals += 1;
    const retryAt = new Date(bucket.roomAt(now));
    const detail = `${text}, retry after ${retryAt.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
    throw new AcmeProblem({ type: 'urn:ietf:params:acme:error:rateLimited', detail }, 429, retryAt);
  }

  #setOf({ set }: LimitedOrder): TokenBucket {
    const bucket = this.#sets.get(set) ?? new TokenBucket(5, 7 * DAY_MS);
    this.#sets.set(set, bucket);
    return bucket;
  }

  #domainOf({ domain }: LimitedOrder): TokenBucket {
    const bucket = this.#domains.get(domain) ?? new TokenBucket(50, 7 * DAY_MS);
    this.#domains.set(domain, bucket);
    return bucket;
  }
}
