/** A CA by Boulder's rules (reference: Let's Encrypt's rate limits and ARI of 2026), on a simulated clock. */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import type { PemRef } from '#contract/manifest.ts';
import { AcmeProblem, NoAcmeAnswer } from '../../../lambda/acme/problem.ts';
import { pickTime, type RenewalWindow } from '../../../lambda/pass/renewal-windows.ts';

export interface SimulatedCaOptions {
  lifetimeMs: number;
  /** When the CA is out of reach. */
  outages?: readonly { from: number; to: number }[];
  /** From this moment all windows of certificates issued before are in the past, for a day. */
  revocationAt?: number;
  random: () => number;
}

export interface Known extends RenewalWindow {
  pollAfter: number;
}

const ORDERS_PER_3_HOURS = 300;
const PER_SET_IN_7_DAYS = 5;
const PROBLEM = 'urn:ietf:params:acme:error:';

export class SimulatedCa {
  readonly #options: SimulatedCaOptions;
  readonly #orders: number[] = [];
  readonly #sets = new Map<string, number[]>();
  #serial = 0;
  /** The most orders, exempt ones included, that any three hours have seen. */
  mostIn3Hours = 0;
  mostPerSet = 0;
  renewals = 0;
  renewalsInWindow = 0;
  refusals = 0;

  constructor(options: SimulatedCaOptions) {
    this.#options = options;
  }

  isDown(now: number): boolean {
    return this.#options.outages?.some(({ from, to }) => now >= from && now < to) ?? false;
  }

  /** @throws NoAcmeAnswer, AcmeProblem rateLimited */
  order(name: string, replaced: PemRef | undefined, now: number): PemRef {
    if (this.isDown(now)) throw new NoAcmeAnswer('simulated outage');
    const recent = this.#orders.filter((at) => now - at < 3 * HOUR_MS);
    const set = (this.#sets.get(name) ?? []).filter((at) => now - at < 7 * DAY_MS);
    const window = replaced && this.#windowOf(replaced, now);
    const isInside = window !== undefined && now >= window.start.getTime() && now < window.end.getTime();
    if (!isInside && recent.length >= ORDERS_PER_3_HOURS) {
      throw this.#rateLimited((recent[0] ?? now) + 3 * HOUR_MS);
    }
    if (!isInside && set.length >= PER_SET_IN_7_DAYS) throw this.#rateLimited((set[0] ?? now) + 7 * DAY_MS);
    this.#orders.splice(0, this.#orders.length, ...recent, now);
    this.#sets.set(name, [...set, now]);
    this.mostIn3Hours = Math.max(this.mostIn3Hours, recent.length + 1);
    this.mostPerSet = Math.max(this.mostPerSet, set.length + 1);
    if (replaced !== undefined) this.renewals += 1;
    if (isInside) this.renewalsInWindow += 1;
    return this.#certificate(now);
  }

  /** RFC 9773 §4.2. @throws NoAcmeAnswer */
  renewalInfo(pem: PemRef, old: Known | undefined, now: number): Known {
    if (this.isDown(now)) throw new NoAcmeAnswer('simulated outage');
    const { start, end } = this.#windowOf(pem, now);
    const isSame = old?.start.getTime() === start.getTime() && old.end.getTime() === end.getTime();
    const renewAt = isSame ? old.renewAt : pickTime(pem.certId ?? '', start, end);
    return { start, end, renewAt, pollAfter: now + 6 * HOUR_MS * (0.8 + 0.4 * this.#options.random()) };
  }

  /** Boulder: around 2/3 of the lifetime (1/2 below ten days), 1 % to either side. */
  #windowOf(pem: PemRef, now: number): { start: Date; end: Date } {
    const { revocationAt = Number.POSITIVE_INFINITY, lifetimeMs } = this.#options;
    const from = Date.parse(pem.notBefore);
    if (now >= revocationAt && now < revocationAt + DAY_MS && from < revocationAt) {
      return { start: new Date(revocationAt - HOUR_MS), end: new Date(revocationAt - HOUR_MS / 2) };
    }
    const centre = from + lifetimeMs * (lifetimeMs < 10 * DAY_MS ? 1 / 2 : 2 / 3);
    return { start: new Date(centre - lifetimeMs / 100), end: new Date(centre + lifetimeMs / 100) };
  }

  #certificate(now: number): PemRef {
    this.#serial += 1;
    const serial = this.#serial.toString(16).toUpperCase();
    // Let's Encrypt backdates by an hour.
    const from = now - HOUR_MS;
    const [notBefore, notAfter] = [
      new Date(from).toISOString(),
      new Date(from + this.#options.lifetimeMs).toISOString(),
    ];
    return {
      sha256: serial,
      size: 1,
      keyType: 'ec256',
      serial,
      notBefore,
      notAfter,
      chainLength: 2,
      certId: `aki.${serial}`,
    };
  }

  #rateLimited(until: number): AcmeProblem {
    this.refusals += 1;
    return new AcmeProblem({ type: `${PROBLEM}rateLimited`, detail: 'simulated' }, 429, new Date(until));
  }
}
