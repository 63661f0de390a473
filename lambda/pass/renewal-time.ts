/** When a certificate is to be renewed, by the CA's window or by its lifetime. Pure. */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import type { ManifestEntry, PemRef } from '#contract/manifest.ts';
import { emergencySince, lastCallSince, lifetimeRenewal } from '../order/lifetime.ts';
import type { RenewalWindow } from './renewal-windows.ts';

export interface RenewalTimes {
  /** By certID (RFC 9773 §4.1). */
  windows: ReadonlyMap<string, RenewalWindow>;
  now: Date;
}

export type TimelyReason = 'renewal-window' | 'renewal-window-past' | 'lifetime';

/** The CA's window if there is one, else the lifetime; the most urgent PEM of a pair decides. */
export function reasonInTime(
  entry: ManifestEntry,
  { windows, now, wakeMs }: RenewalTimes & { wakeMs: number },
): TimelyReason | undefined {
  if (now < (rolledBackUntil(entry) ?? now)) return undefined;
  const reasons = entry.pems.map((pem) => {
    const window = windowWithin(pem, windows, earliestRenewal(pem, entry, now));
    if (window === undefined) return now >= lifetimeRenewal(pem) ? 'lifetime' : undefined;
    if (now >= window.end) return 'renewal-window-past';
    return isInsideFirst(window, now, wakeMs) ? 'renewal-window' : undefined;
  });
  return reasons.find((reason) => reason !== undefined);
}

/**
 * A CA may suggest times when the certificate is over (RFC 9773 §4.2 sets no bound): Pebble opens two days for one of six hours. The
 * window counts until the emergency begins; one that lies beyond it counts for nothing. Nor does one that allows the whole life: most of
 * its times are over when the certificate is new, and each pass would renew what the last one has issued.
 * @param earliest of a certificate that is itself a hasty renewal: a CA that always says "now" gets an order when it is old enough for
 *   that, and for a window that is over before the certificate was valid none
 */
function windowWithin(
  pem: PemRef,
  windows: RenewalTimes['windows'],
  earliest: Date | undefined,
): RenewalWindow | undefined {
  const window = windows.get(pem.certId ?? '');
  const latest = emergencySince(pem);
  if (window === undefined || window.start >= latest) return undefined;
  const notBefore = new Date(pem.notBefore);
  if (earliest !== undefined && window.end <= notBefore) return undefined;
  if (window.start <= notBefore && window.end >= new Date(pem.notAfter)) return undefined;
  const bounded = (given: Date) => {
    const time = earliest === undefined || given > earliest ? given : earliest;
    return time < latest ? time : latest;
  };
  return { start: bounded(window.start), end: bounded(window.end), renewAt: bounded(window.renewAt) };
}

/** So long an operator has to look at what he has put in force again. */
const ROLLBACK_MS = DAY_MS;

/**
 * What was rolled back to is an earlier version, whose time has mostly come: its time alone does not undo the rollback for a day, unless a
 * PEM of it nears its end. @returns undefined for what came new
 */
export function rolledBackUntil({ rolledBackAt, pems }: ManifestEntry): Date | undefined {
  if (rolledBackAt === undefined) return undefined;
  const ends = pems.map((pem) => lastCallSince(pem).getTime());
  return new Date(Math.min(Date.parse(rolledBackAt) + ROLLBACK_MS, ...ends));
}

/** A CA that moves windows into the past for ever is asked for two certificates a day, not one a pass. */
const YOUNGEST_MS = 12 * HOUR_MS;
/** Of a short-lived one: this share of its life. */
const YOUNGEST_SHARE = 1 / 20;
/** What was renewed within so many times that, and not by much more than it, was renewed in haste. */
const HASTE = 2;

/**
 * The first time a CA is obeyed at once: it may have revoked what it issued an hour ago. What has replaced another that was so young is not
 * renewed by a window before it is older. A CA may backdate what it issues (`notBefore`), so the publication counts too, unless its time is
 * that of a clock that was ahead.
 * @returns undefined: any time
 */
function earliestRenewal(
  { notBefore, notAfter }: PemRef,
  { publishedAt, previous }: ManifestEntry,
  now: Date,
): Date | undefined {
  const [validFrom, published] = [Date.parse(notBefore), Date.parse(publishedAt)];
  const youngestMs = Math.min(YOUNGEST_MS, (Date.parse(notAfter) - validFrom) * YOUNGEST_SHARE);
  if (previous === undefined || published - Date.parse(previous.publishedAt) > HASTE * youngestMs)
    return undefined;
  const since = published > now.getTime() ? validFrom : Math.max(validFrom, published);
  return new Date(since + youngestMs);
}

/**
 * Never before the window's start, at the picked time, and never skipping the last wake before its end: an order
 * outside the window loses the exemption from rate limits that Let's Encrypt grants to renewals inside it.
 */
function isInsideFirst({ start, end, renewAt }: RenewalWindow, now: Date, wakeMs: number): boolean {
  if (now < start) return false;
  return now >= renewAt || now.getTime() + wakeMs >= end.getTime();
}

/** When the certificate will be due, for people; of a pair, when its first PEM will. */
export function renewalTime(entry: ManifestEntry | undefined, { windows, now }: RenewalTimes): Date {
  const times = (entry?.pems ?? []).map((pem) => {
    const earliest = entry && earliestRenewal(pem, entry, now);
    return (windowWithin(pem, windows, earliest)?.renewAt ?? lifetimeRenewal(pem)).getTime();
  });
  const held = (entry && rolledBackUntil(entry)?.getTime()) ?? 0;
  return new Date(Math.max(held, Math.min(...times)));
}
