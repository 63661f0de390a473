/**
 * How often a pass has to come for certificates of a lifetime; pure. A pass that comes too rarely misses the window that the CA suggests
 * (RFC 9773), and leaves no time to try again before the end.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS, spanText } from '#common/time.ts';
import { configuredCas } from './acme.ts';
import { knownCaOf } from './known-cas.ts';

/** Passes between renewal time and end: two failures at the first CA, the next CA, and a night's trouble. */
const PASSES_BEFORE_END = 8;
/** A wake may come late by so much of its distance. */
const LATE_SHARE = 1 / 4;
/** No timer of ours comes more often. */
export const LEAST_WAKE_MINUTES = 5;
const MOST_WAKE_MINUTES = 1440;
/** Where nothing asks for more: ten times cheaper than it could be, and a new certificate in the configuration does not wait long. */
const USUAL_WAKE_MINUTES = 30;

/** What a certificate asks of the schedule. */
export interface CertificateLife {
  certificate: string;
  lifetimeMs: number;
  /** Length of the window in which its CA wants it renewed; undefined: it suggests none, or that is not known. */
  windowMs?: number | undefined;
}

interface CaLifetime {
  directoryUrl: string;
  lifetime?: string | undefined;
}

interface ScheduleConfig {
  acme: CaLifetime;
  fallback: readonly CaLifetime[];
  certificates: readonly { name: string; profile?: string | undefined; imported?: boolean | undefined }[];
}

/** By what the configuration says; a certificate of an unknown lifetime is left out. */
export function configuredLives({ acme, fallback, certificates }: ScheduleConfig): CertificateLife[] {
  return certificates
    .filter(({ imported }) => imported !== true)
    .flatMap(({ name: certificate, profile = 'classic' }) =>
      configuredCas({ acme, fallback }).flatMap(({ directoryUrl, lifetime }, index): CertificateLife[] => {
        const { lifetimes, windowShare } = knownCaOf(directoryUrl) ?? {};
        // A fallback CA may not offer the profile.
        const implied = lifetimes?.[index === 0 ? profile : 'classic'];
        const lifetimeMs = lifetime === undefined ? implied : spanOf(lifetime);
        if (lifetimeMs === undefined) return [];
        const window = windowShare !== undefined && { windowMs: lifetimeMs * windowShare };
        return [{ certificate, lifetimeMs, ...window }];
      }),
    );
}

function spanOf(text: string): number {
  return Number.parseInt(text, 10) * (text.endsWith('d') ? DAY_MS : HOUR_MS);
}

/** The rarest schedule that still fits the certificate, in whole minutes; below one, none does. */
export function fittingMinutes({ lifetimeMs, windowMs = Number.POSITIVE_INFINITY }: CertificateLife): number {
  // Renewal is due at a third of the lifetime at the latest.
  const byLifetime = lifetimeMs / 3 / PASSES_BEFORE_END;
  const byWindow = windowMs / (1 + LATE_SHARE);
  return Math.floor(Math.min(byLifetime, byWindow, MOST_WAKE_MINUTES * MINUTE_MS) / MINUTE_MS);
}

/** The schedule where pemfleet.yaml has none: in an hour, a whole number of passes. */
export function impliedWakeMinutes(config: ScheduleConfig): number {
  const fitting = Math.min(USUAL_WAKE_MINUTES, ...configuredLives(config).map(fittingMinutes));
  const even = [30, 20, 15, 12, 10, 6].find((minutes) => minutes <= fitting);
  return even ?? LEAST_WAKE_MINUTES;
}

/** From a pass to the next one at the latest. */
export function latestWakeMs(wakeMinutes: number): number {
  return wakeMinutes * MINUTE_MS * (1 + LATE_SHARE);
}

/** That passes come too rarely, and which certificate needs them most often. */
export interface WakeProblem extends CertificateLife {
  wakeMinutes: number;
  /** So often, or more often. */
  fittingMinutes: number;
}

export function findWakeProblem(
  wakeMinutes: number,
  lives: readonly CertificateLife[],
): WakeProblem | undefined {
  const all = lives.map((life) => ({ ...life, wakeMinutes, fittingMinutes: fittingMinutes(life) }));
  const [worst] = all.sort((a, b) => a.fittingMinutes - b.fittingMinutes);
  return worst !== undefined && wakeMinutes > worst.fittingMinutes ? worst : undefined;
}

/** Wanted, saw; what to do depends on who says it. */
export function wakeProblemText(problem: WakeProblem): string {
  const { certificate, lifetimeMs, windowMs, wakeMinutes } = problem;
  const window = windowMs === undefined ? '' : ` and a renewal window of ${spanText(windowMs)}`;
  const wanted =
    problem.fittingMinutes < LEAST_WAKE_MINUTES
      ? `wanted a pass more often than the ${LEAST_WAKE_MINUTES} min that pemfleet can`
      : `wanted a pass every ${problem.fittingMinutes} min or more often`;
  return `${certificate} has a lifetime of ${spanText(lifetimeMs)}${window}: ${wanted}, saw every ${wakeMinutes} min`;
}
