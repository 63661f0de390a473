/** A year on a simulated clock: never late, inside the CA's window, within its limits. Files of their own run side by side. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { simulateYear, type YearResult } from './year.ts';

const CERTIFICATES = 300;
const OUTAGES = [
  { from: 50 * DAY_MS, to: 50 * DAY_MS + HOUR_MS },
  { from: 120 * DAY_MS, to: 121 * DAY_MS },
  { from: 280 * DAY_MS, to: 283 * DAY_MS },
];

export function yearOf(lifetime: string, lifetimeMs: number, wakes: readonly number[] = [15, 60]): void {
  for (const wakeMinutes of wakes) {
    test(`${lifetime}, a wake every ${wakeMinutes} min: at least 99 % of renewals inside the window, none late`, () => {
      const year = simulateYear({ certificates: CERTIFICATES, lifetimeMs, wakeMinutes });

      assertInWindow(year);
      assertNeverLate(year);
    });

    test(`${lifetime}, a wake every ${wakeMinutes} min: outages of 1 h, 1 day and 3 days, a mass revocation, none late`, () => {
      const year = simulateYear({
        certificates: CERTIFICATES,
        lifetimeMs,
        wakeMinutes,
        outages: OUTAGES,
        revocationAt: 200 * DAY_MS,
      });

      assertNeverLate(year);
    });
  }
}

export function assertInWindow({ ca }: YearResult): void {
  const share = ca.renewalsInWindow / ca.renewals;
  assert.ok(ca.renewals > 0 && share >= 0.99, `${(share * 100).toFixed(2)} % of ${ca.renewals} renewals`);
}

export function assertNeverLate({ ca, expiredHours, missingAtEnd }: YearResult): void {
  assert.equal(expiredHours, 0, 'hours that certificates were expired');
  assert.equal(missingAtEnd, 0);
  assert.equal(ca.limits.refusals, 0, 'orders that the CA has refused by its limits');
}
