/** What the CA has issued, checked before it is published; a wrong clock of ours costs no certificate. */
import { X509Certificate } from 'node:crypto';
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
    super(cause.code, `${cause.message}; ${clocks}: set the clock; the order is kept`, { cause });
  }
}

/** What the time is here, and at the CA. No more of the client is named: the construct's types reach this file, and not acme-client. */
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
  const pem = accept(verifyAt, isEarly(chain, now()), now(), caNow());
  checkOnlyOrdered(pem, identifiers, settings);
  return { text, pem };
}

function accept(
  verifyAt: (time: Date) => CombinedPem,
  isTooEarly: boolean,
  now: Date,
  caNow: Date,
): CombinedPem {
  try {
    return verifyAt(now);
  } catch (error) {
    const isByTime = error instanceof PemRejected && error.code === 'ERR_PEM_VALIDITY';
    if (isByTime && (isTooEarly || isAccepted(() => verifyAt(caNow)))) {
      throw new ClockDiffers(error, now, caNow);
    }
    throw error;
  }
}

/** Waiting makes it valid, whoever's clock is right. */
function isEarly(chain: readonly string[], now: Date): boolean {
  return chain.some((pem) => new Date(new X509Certificate(pem).validFrom) > now);
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
