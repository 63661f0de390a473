/**
 * Years in which the first CA goes bad and a fallback is there (`npm run test:long`): a choice in which each lifetime meets a trouble, each
 * trouble often and rare wakes. All of them: `npx tsx test/long/year/all.ts`.
 */
import { test } from 'node:test';
import { type BadYear, simulateBadYear } from './bad-year.ts';
import { assertInWindow, assertNeverLate } from './year-suite.ts';

const YEARS: readonly BadYear[] = [
  { lifetime: '6 h', wakeMinutes: 5, trouble: 'hangs in processing for a week' },
  { lifetime: '24 h', wakeMinutes: 20, trouble: 'goes away for good' },
  { lifetime: '160 h', wakeMinutes: 60, trouble: 'deactivates the account' },
  { lifetime: '45 d', wakeMinutes: 360, trouble: 'hangs in processing for a week' },
  { lifetime: '64 d', wakeMinutes: 360, trouble: 'goes away for good' },
  { lifetime: '90 d', wakeMinutes: 30, trouble: 'deactivates the account' },
];

for (const year of YEARS) {
  const { lifetime, wakeMinutes, trouble } = year;
  test(`${lifetime}, a wake every ${wakeMinutes} min, the CA ${trouble}: none expires, 99 % inside the window, no limit is met`, () => {
    const result = simulateBadYear(year);

    assertInWindow(result);
    assertNeverLate(result);
  });
}
