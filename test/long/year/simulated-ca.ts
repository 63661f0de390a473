/** A CA by Boulder's rules (reference: Let's Encrypt's rate limits and ARI of 2026), on a simulated clock; and what goes wrong with it. */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import type { PemRef } from '#contract/manifest.ts';
import { AcmeProblem, NoAcmeAnswer } from '../../../lambda/acme/problem.ts';
import { pickTime, type RenewalWindow } from '../../../lambda/pass/renewal-windows.ts';
import { BoulderLimits } from './boulder-limits.ts';

/** In ms since the epoch. */
export interface Period {
  from: number;
  to: number;
}

export interface SimulatedCaOptions {
  directoryUrl: string;
  lifetimeMs: number;
  /** A CA without limits and without renewal windows, as private ones are. */
  isPlain?: boolean;
  /** When the CA is out of reach. */
  outages?: readonly Period[];
  /** When it takes orders and issues nothing: they stay `processing`. */
  hangs?: readonly Period[];
  /** From then on our account is refused. */
  deactivatedAt?: number;
  /** From this moment all windows of certificates issued before are in the past, for a day. */
  revocationAt?: number;
  random: () => number;
}

export interface Known extends RenewalWindow {
  pollAfter: number;
}

export interface OrderWish {
  name: string;
  domain: string;
  /** Its predecessor, if this CA has issued it. */
  replaced: PemRef | undefined;
}

const PROBLEM = 'urn:ietf:params:acme:error:';

export class SimulatedCa {
  readonly limits = new BoulderLimits();
  readonly #options: SimulatedCaOptions;
  #serial = 0;
  /** Renewals of its own certificates while nothing is wrong with it. */
  renewals = 0;
  renewalsInWindow = 0;
  issued = 0;

  constructor(options: SimulatedCaOptions) {
    this.#options = options;
  }

  get directoryUrl(): string {
    return this.#options.directoryUrl;
  }

  isDown(now: number): boolean {
    return isWithin(this.#options.outages, now);
  }

  isHanging(now: number): boolean {
    return isWithin(this.#options.hangs, now);
  }

  /** newOrder. @throws NoAcmeAnswer, AcmeProblem */
  order(wish: OrderWish, now: number): void {
    this.#checkIsThere(now);
    const { replaced } = wish;
    const isInside = replaced !== undefined && this.#isInside(replaced, now);
    if (!this.#options.isPlain) this.limits.checkOrder(limited(wish, isInside), now);
    if (replaced === undefined || this.isHanging(now)) return;
    this.renewals += 1;
    if (isInside) this.renewalsInWindow += 1;
  }

  /** The order as it is now. @returns undefined while it is `processing` @throws NoAcmeAnswer, AcmeProblem */
  certificate(wish: OrderWish, now: number): PemRef | undefined {
    this.#checkIsThere(now);
    if (this.isHanging(now)) return undefined;
    if (!this.#options.isPlain) this.limits.issued(limited(wish, false), now);
    this.issued += 1;
    return this.#newPem(now);
  }

  /** RFC 9773 §4.2. @returns undefined: the CA has none @throws NoAcmeAnswer */
  renewalInfo(pem: PemRef, old: Known | undefined, now: number): Known | undefined {
    if (this.isDown(now)) throw new NoAcmeAnswer('simulated outage');
    if (this.#options.isPlain) return undefined;
    const { start, end } = this.#windowOf(pem, now);
    const isSame = old?.start.getTime() === start.getTime() && old.end.getTime() === end.getTime();
    const renewAt = isSame ? old.renewAt : pickTime(pem.certId ?? '', start, end);
    return { start, end, renewAt, pollAfter: now + 6 * HOUR_MS * (0.8 + 0.4 * this.#options.random()) };
  }

  #checkIsThere(now: number): void {
    if (this.isDown(now)) throw new NoAcmeAnswer('simulated outage');
    if (now < (this.#options.deactivatedAt ?? Number.POSITIVE_INFINITY)) return;
    const detail = 'Account is not valid, has status "deactivated"';
    throw new AcmeProblem({ type: `${PROBLEM}unauthorized`, detail }, 403);
  }

  #isInside(pem: PemRef, now: number): boolean {
    if (this.#options.isPlain) return false;
    const { start, end } = this.#windowOf(pem, now);
    return now >= start.getTime() && now < end.getTime();
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

  #newPem(now: number): PemRef {
    this.#serial += 1;
    const serial = this.#serial.toString(16).toUpperCase();
    // Let's Encrypt backdates by an hour.
    const from = now - HOUR_MS;
    return {
      ...{ sha256: serial, size: 1, keyType: 'ec256', serial, chainLength: 2, certId: `aki.${serial}` },
      notBefore: new Date(from).toISOString(),
      notAfter: new Date(from + this.#options.lifetimeMs).toISOString(),
    };
  }
}

function limited({ name, domain }: OrderWish, isAriRenewal: boolean) {
  return { set: name, domain, isAriRenewal };
}

function isWithin(periods: readonly Period[] | undefined, now: number): boolean {
  return periods?.some(({ from, to }) => now >= from && now < to) ?? false;
}
