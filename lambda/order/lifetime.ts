/** How much of a certificate's life is left, and what follows from it; pure. */
import { DAY_MS } from '#common/time.ts';

/** Of a certificate (RFC 5280 §4.1.2.5), as a manifest has it (RFC 3339), or as dates. */
export interface Validity {
  notBefore: string | Date;
  notAfter: string | Date;
}

/** Below this lifetime a third is too short for people to react: half of it is kept (Let's Encrypt's advice). */
const SHORT_LIVED_MS = 10 * DAY_MS;
/** With less than this share of its life left, a certificate is renewed whatever its window says. */
const EMERGENCY_SHARE = 1 / 20;
/** With less than this share, an operator's word to wait counts no more. */
const LAST_CALL_SHARE = 1 / 5;
/** Renewal is due at a third of the lifetime (half below ten days): a certificate with less than these shares left is late. */
const [LATE_SHARE, LATE_SHARE_SHORT] = [1 / 4, 3 / 8];

/** Of what nothing renews: time enough to put it back into the configuration, or to find out that nobody needs it. */
export const ENDING_WITHIN_MS = 14 * DAY_MS;

/** Of what was imported, people have to bring the next one: they are told so often, and the last time a week before the end. */
const IMPORT_ENDING_DAYS = [30, 14, 7] as const;
export const IMPORT_ENDING_WITHIN_MS = IMPORT_ENDING_DAYS[0] * DAY_MS;

/** The stage of its end that what was imported has reached; undefined: it is far. */
export function importEnding(notAfter: Date, now: Date): { code: string; since: Date } | undefined {
  const leftMs = notAfter.getTime() - now.getTime();
  const days = IMPORT_ENDING_DAYS.findLast((one) => leftMs < one * DAY_MS);
  if (days === undefined) return undefined;
  return { code: `imported-ends-in-${days}-days`, since: new Date(notAfter.getTime() - days * DAY_MS) };
}

/** One third of the lifetime before the end; half for short-lived ones. */
export function lifetimeRenewal(lifetime: Validity): Date {
  const { lifeMs, endMs } = measured(lifetime);
  return new Date(endMs - lifeMs / (lifeMs < SHORT_LIVED_MS ? 2 : 3));
}

/** With so little of its life left, nothing is waited for. */
export function isEmergency(lifetime: Validity, now: Date): boolean {
  return now >= emergencySince(lifetime);
}

/** From when on it is an emergency, if nobody renews it. */
export function emergencySince(lifetime: Validity): Date {
  const { lifeMs, endMs } = measured(lifetime);
  return new Date(endMs - lifeMs * EMERGENCY_SHARE);
}

/** With less than a fifth of its life left, no operator's word holds its renewal up. */
export function lastCallSince(lifetime: Validity): Date {
  const { lifeMs, endMs } = measured(lifetime);
  return new Date(endMs - lifeMs * LAST_CALL_SHARE);
}

/** It should have been renewed some time ago. */
export function isOverdue(lifetime: Validity, now: Date): boolean {
  return now > overdueSince(lifetime);
}

/** From when on it is overdue, if nobody renews it. */
export function overdueSince(lifetime: Validity): Date {
  const { lifeMs, endMs } = measured(lifetime);
  const share = lifeMs < SHORT_LIVED_MS ? LATE_SHARE_SHORT : LATE_SHARE;
  return new Date(endMs - lifeMs * share);
}

function measured({ notBefore, notAfter }: Validity) {
  const endMs = new Date(notAfter).getTime();
  return { endMs, lifeMs: endMs - new Date(notBefore).getTime() };
}
