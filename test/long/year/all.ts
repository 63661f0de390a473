// All years in which the first CA goes bad, once by hand: `npx tsx test/long/year/all.ts`. One line each.
import { ALL_BAD_YEARS, simulateBadYear } from './bad-year.ts';

for (const year of ALL_BAD_YEARS) {
  const began = performance.now();
  const { ca, fallback, expiredHours, missingAtEnd } = simulateBadYear(year);
  const share = ((100 * ca.renewalsInWindow) / ca.renewals).toFixed(2);
  const { lifetime, wakeMinutes, trouble } = year;
  const facts = [
    `expired ${expiredHours.toFixed(1)} h, missing ${missingAtEnd}, refused ${ca.limits.refusals}`,
    `${share} % of ${ca.renewals} in the window, ${fallback?.issued} by the fallback`,
    `${((performance.now() - began) / 1000).toFixed(1)} s`,
  ];
  process.stdout.write(`${lifetime}, a wake every ${wakeMinutes} min, ${trouble}: ${facts.join('; ')}\n`);
}
