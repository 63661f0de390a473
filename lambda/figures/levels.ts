/** The levels, and for how long each has to stand before people are told (cdk/monitoring/alarms.ts). Pure. */
import { MINUTE_MS } from '#common/time.ts';

/** Each is a figure: the number of subjects in it. The worst come first. */
export const LEVELS = [
  'CertificatesExpired',
  'CertificatesOverdue',
  'CertificatesMissing',
  'CertificatesFailing',
  'CertificatesEnding',
  'HostsBehind',
  'HostsSilent',
  'HostsMissing',
  'NeedsReload',
  'HostsUnproven',
  'DriftReturning',
  'NotifyFailed',
] as const;

export type Level = (typeof LEVELS)[number];

/**
 * In periods. One: the figure itself waits long enough, or nothing makes it better by waiting. Two: the next passes may cure it, as they
 * cure a failed order, or a host's error.
 */
export const PERIODS: Readonly<Record<Level, 1 | 2>> = {
  CertificatesExpired: 1,
  CertificatesOverdue: 1,
  CertificatesMissing: 2,
  CertificatesFailing: 2,
  CertificatesEnding: 1,
  HostsBehind: 2,
  HostsSilent: 1,
  HostsMissing: 2,
  NeedsReload: 2,
  HostsUnproven: 2,
  DriftReturning: 1,
  NotifyFailed: 1,
};

/** A pass begins within a window of five minutes (cdk/functions/schedule.ts) and takes fifteen at most. */
const SPREAD_MINUTES = 5 + 15;
const [HOUR_MINUTES, DAY_MINUTES] = [60, 24 * 60];

/**
 * Whole hours in which at least one pass ends, so that no period is without data while all is well; a day is the longest that CloudWatch
 * takes.
 * @param wakeMinutes from pass to pass
 */
export function periodMinutes(wakeMinutes: number): number {
  const hours = Math.ceil((wakeMinutes + SPREAD_MINUTES) / HOUR_MINUTES);
  return Math.min(hours * HOUR_MINUTES, DAY_MINUTES);
}

/** For how long a level stands before its alarm sounds, at the earliest. */
export function patienceMs(level: Level, wakeMinutes: number): number {
  return (PERIODS[level] - 1) * periodMinutes(wakeMinutes) * MINUTE_MS;
}
