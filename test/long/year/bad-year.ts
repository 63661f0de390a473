/** Years in which the first CA goes bad, and a fallback is configured: every lifetime, wakes that fit it, every kind of trouble. */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { simulateYear, type YearOptions, type YearResult } from './year.ts';

/** Fewer of those that are renewed often: each year has some ten thousand renewals. */
export const LIFETIMES: Readonly<Record<string, Pick<YearOptions, 'lifetimeMs' | 'certificates'>>> = {
  '6 h': { lifetimeMs: 6 * HOUR_MS, certificates: 10 },
  '24 h': { lifetimeMs: DAY_MS, certificates: 40 },
  '160 h': { lifetimeMs: 160 * HOUR_MS, certificates: 120 },
  '45 d': { lifetimeMs: 45 * DAY_MS, certificates: 300 },
  '64 d': { lifetimeMs: 64 * DAY_MS, certificates: 300 },
  '90 d': { lifetimeMs: 90 * DAY_MS, certificates: 300 },
};

/** Minutes: often, and about as rarely as docs/config.md allows for the lifetime. */
export const WAKES: Readonly<Record<string, readonly [often: number, rarely: number]>> = {
  '6 h': [5, 5],
  '24 h': [5, 20],
  '160 h': [15, 60],
  '45 d': [15, 360],
  '64 d': [30, 360],
  '90 d': [30, 720],
};

export const TROUBLES: Readonly<Record<string, Partial<YearOptions>>> = {
  'hangs in processing for a week': { hangs: [{ from: 100 * DAY_MS, to: 107 * DAY_MS }] },
  'goes away for good': { outages: [{ from: 100 * DAY_MS, to: 1000 * DAY_MS }] },
  'deactivates the account': { deactivatedAt: 100 * DAY_MS },
};

export interface BadYear {
  lifetime: string;
  wakeMinutes: number;
  trouble: string;
}

export function simulateBadYear({ lifetime, wakeMinutes, trouble }: BadYear): YearResult {
  const known = LIFETIMES[lifetime];
  const bad = TROUBLES[trouble];
  if (known === undefined || bad === undefined) throw new TypeError(`no such year: ${lifetime}, ${trouble}`);
  return simulateYear({ ...known, ...bad, wakeMinutes, hasFallback: true, perDomain: 20 });
}

export const ALL_BAD_YEARS: readonly BadYear[] = Object.keys(LIFETIMES).flatMap((lifetime) =>
  [...new Set(WAKES[lifetime] ?? [])].flatMap((wakeMinutes) =>
    Object.keys(TROUBLES).map((trouble) => ({ lifetime, wakeMinutes, trouble })),
  ),
);
