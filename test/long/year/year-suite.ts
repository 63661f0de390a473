/** A year on a simulated clock: never late, inside the CA's window, within its limits. Files of their own run side by side. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { simulateYear, type YearResult } from './year.ts';

const CERTIFICATES = 1000;
const OUTAGES = [
  { from: 50 * DAY_MS, to: 50 * DAY_MS + HOUR_MS },
  { from: 120 * DAY_MS, to: 121 * DAY_MS },
  { from: 280 * DAY_MS, to: 283 * DAY_MS },
];

export function yearOf(lifetime: string, lifetimeMs: number, wakes: readonly number[] = [15, 60]): void {
  for (const wakeMinutes of wakes) {
    test(`${lifetime}, a wake every ${wakeMinutes} min: at least 99 % of renewals inside the window, none late`, () => {
      const year = simulateYear({ certificates: CERTIFICATES, lifetimeMs, wakeMinutes });

      const share = year.ca.renewalsInWindow / year.ca.renewals;
      assert.ok(share >= 0.99, `${(share * 100).toFixed(2)} % of ${year.ca.renewals} renewals`);
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

function assertNeverLate({ ca, expiredHours, missingAtEnd }: YearResult): void {
  assert.equal(expiredHours, 0, 'hours that certificates were expired');
  assert.equal(missingAtEnd, 0);
  assert.ok(ca.mostPerSet <= 5, `${ca.mostPerSet} of one exact set in seven days`);
  assert.ok(ca.mostIn3Hours <= 300, `${ca.mostIn3Hours} orders in three hours`);
}
