/** What the CA has issued, checked before it is published; a wrong clock of ours costs no certificate. */
import { X509Certificate } from 'node:crypto';
import { CLOCK_SLACK_MS } from '#common/clock.ts';
import { HOUR_MS } from '#common/time.ts';
import { assemble, type CombinedPem, verify } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';
import type { AcmeSettings } from '../config/acme.ts';
import { checkOnlyOrdered } from './leaf-names.ts';
import type { OrderLeg } from './leg.ts';

export interface Obtained {
  /** Canonical and verified. */
  text: string;
  pem: CombinedPem;
}

/** Only our clock refuses the certificate: its order is kept, and gives the same certificate when the clock is right. */
export class ClockDiffers extends PemRejected {
  override name = 'ClockDiffers';

  constructor(cause: PemRejected, now: Date, caNow: Date) {
    const clocks = `it is ${now.toISOString()} here and ${caNow.toISOString()} at the CA`;
    const isSameTime = Math.abs(caNow.getTime() - now.getTime()) <= CLOCK_SLACK_MS;
    const cure = isSameTime ? 'it is waited for' : 'set the clock';
    // Without the cause: its text stands here already.
    super(cause.code, `${cause.message}; ${clocks}: ${cure}; the order is kept`);
  }
}

/** A CA may date a certificate a little ahead of its own clock. */
const LONGEST_EARLY_MS = HOUR_MS;

/** What the time is here, and at the CA. */
interface Clocks {
  now: () => Date;
  caNow: () => Date;
}

/** @throws PemRejected */
export function verifyIssued(
  chain: readonly string[],
  leg: OrderLeg,
  settings: AcmeSettings,
  { now, caNow }: Clocks,
): Obtained {
  const { identifiers } = leg.record;
  const text = assemble([...chain], leg.key);
  const verifyAt = (time: Date) => verify(text, { identifiers, keyType: leg.keyType }, time);
  const pem = accept(verifyAt, chain, now(), caNow());
  checkOnlyOrdered(pem, identifiers, settings);
  return { text, pem };
}

/** Below this rest of its life a certificate may be over before hosts, and the next pass, have dealt with it. */
const LEAST_REST_MS = HOUR_MS;

/**
 * A certificate that is about to end takes the place of none that lasts longer: its CA has made a mistake, and the next order, or the next
 * CA, does better.
 * @param inForce what it would replace; undefined: nothing, or nothing that may stay
 * @throws PemRejected `ERR_PEM_VALIDITY`
 */
export function checkLasts(
  issued: readonly { notAfter: string }[],
  inForce: readonly { notAfter: string }[] | undefined,
  now: Date,
): void {
  const [ends, stays] = [firstEnd(issued), firstEnd(inForce ?? [])];
  if (!Number.isFinite(stays) || ends >= stays || ends - now.getTime() >= LEAST_REST_MS) return;
  const says = `ends at ${new Date(ends).toISOString()}, within the hour`;
  throw new PemRejected(
    'ERR_PEM_VALIDITY',
    `${says}, and what is in force lasts until ${new Date(stays).toISOString()}`,
  );
}

function firstEnd(pems: readonly { notAfter: string }[]): number {
  return Math.min(...pems.map(({ notAfter }) => Date.parse(notAfter)));
}

function accept(
  verifyAt: (time: Date) => CombinedPem,
  chain: readonly string[],
  now: Date,
  caNow: Date,
): CombinedPem {
  try {
    return verifyAt(now);
  } catch (error) {
    const isByTime = error instanceof PemRejected && error.code === 'ERR_PEM_VALIDITY';
    if (isByTime && (isWaitedFor(chain, now, caNow) || isAccepted(() => verifyAt(caNow)))) {
      throw new ClockDiffers(error, now, caNow);
    }
    throw error;
  }
}

/** Waiting makes it valid, whoever's clock is right; what lies ahead of both clocks is of no use now. */
function isWaitedFor(chain: readonly string[], now: Date, caNow: Date): boolean {
  const begin = Math.max(...chain.map((pem) => new Date(new X509Certificate(pem).validFrom).getTime()));
  const latest = Math.max(now.getTime(), caNow.getTime()) + LONGEST_EARLY_MS;
  return begin > now.getTime() && begin <= latest;
}

function isAccepted(verification: () => CombinedPem): boolean {
  try {
    verification();
    return true;
  } catch (error) {
    if (error instanceof PemRejected) return false;
    throw error;
  }
}
