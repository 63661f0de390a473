/**
 * Which levels have risen since people were last sent names: an alarm of CloudWatch has none, so the issuer sends them itself. A level that
 * stays is not sent again, and one that falls for a while and rises anew has not been away. Pure.
 */
import * as z from 'zod';
import { printable } from '#common/printable.ts';
import { HOUR_MS } from '#common/time.ts';
import { instant } from '#storage/cached-document.ts';
import { LEVELS, type Level, patienceMs } from './levels.ts';
import type { Problem } from './problems.ts';

const announcedLevel = z.object({
  /** How many people know of. */
  count: z.number().int().nonnegative(),
  /** Since when there are more than that, or fewer. */
  since: instant.optional(),
  isHigher: z.boolean().optional(),
});

export const announcedLevels = z.object({
  version: z.literal(1),
  levels: z.record(z.string(), announcedLevel),
});

export type AnnouncedLevels = z.infer<typeof announcedLevels>['levels'];

/** A level that has risen, and what there is to say of it. */
export interface Rise {
  level: Level;
  count: number;
  /** Of its problems, the worst three. */
  worst: Problem[];
}

/** What has risen, and what people know when they have been sent it, or could not be. */
export interface Rises {
  rises: Rise[];
  whenSent: AnnouncedLevels;
  whenNot: AnnouncedLevels;
}

interface Time {
  now: Date;
  wakeMinutes: number;
}

/** A level that has fallen and rises within this time has not been away. */
const AWAY_MS = HOUR_MS;
/** The worst that are named, and the longest word of a name from outside. */
const [WORST, MAX_WORD] = [3, 200];
/** Amazon SNS API Reference, "Publish": shorter than 100 ASCII characters. */
const MAX_SUBJECT = 99;

/**
 * @param problems of problemsOf(): sorted
 * @param incomplete levels of which some facts are unknown: they can rise, and do not fall
 */
export function risesOf(
  known: AnnouncedLevels,
  problems: readonly Problem[],
  incomplete: ReadonlySet<Level>,
  time: Time,
): Rises {
  const result: Rises = { rises: [], whenSent: {}, whenNot: {} };
  for (const level of LEVELS) {
    const own = problems.filter((problem) => problem.level === level);
    const before = known[level] ?? { count: 0 };
    const isUnknown = incomplete.has(level) && own.length <= before.count;
    const next = isUnknown ? { isRise: false, open: before } : followed(before, own.length, level, time);
    if (next.isRise) result.rises.push({ level, count: own.length, worst: own.slice(0, WORST) });
    const closed = next.isRise ? { count: own.length } : next.open;
    if (isWorthKeeping(next.open)) result.whenNot[level] = next.open;
    if (isWorthKeeping(closed)) result.whenSent[level] = closed;
  }
  return result;
}

type AnnouncedLevel = AnnouncedLevels[string];

function isWorthKeeping({ count, since }: AnnouncedLevel): boolean {
  return count > 0 || since !== undefined;
}

function followed(
  { count: before, since: began, isHigher: wasHigher }: AnnouncedLevel,
  count: number,
  level: Level,
  { now, wakeMinutes }: Time,
): { isRise: boolean; open: AnnouncedLevel } {
  const isHigher = count > before;
  const since = began !== undefined && wasHigher === isHigher ? began : now;
  const stoodMs = now.getTime() - since.getTime();
  const isRise = isHigher && stoodMs >= patienceMs(level, wakeMinutes);
  const isForgotten = count < before && stoodMs >= AWAY_MS;
  const open = { count: isForgotten ? count : before };
  return { isRise, open: open.count === count ? open : { ...open, since, isHigher } };
}

/** `a.test ERR_ACME_PROBLEM since 2026-11-27T12:00:00.000Z`: what hosts or CAs say cannot act in a terminal, nor fill it. */
export function problemText({ subject, certificate, code, since }: Problem): string {
  const words = [subject, ...(certificate === undefined ? [] : [certificate]), code];
  const dated = since === undefined ? words : [...words, 'since', since.toISOString()];
  return dated.map((word) => printable(word).slice(0, MAX_WORD)).join(' ');
}

/** `CertificatesFailing 5` */
export function riseText({ level, count }: Rise): string {
  return `${level} ${count}`;
}

/** A message to people. */
export interface AlarmMessage {
  /** ASCII, as SNS wants it. */
  subject: string;
  text: string;
}

/** @param bucket its URL: which deployment says so */
export function messageOfRises(rises: readonly Rise[], bucket: string): AlarmMessage {
  const lines = rises.flatMap((rise) => [
    `${rise.level}: ${rise.count}`,
    ...rise.worst.map((problem) => `- ${problemText(problem)}`),
    ...(rise.count > rise.worst.length ? [`- and ${rise.count - rise.worst.length} more`] : []),
  ]);
  const end = [
    '',
    'All of it: pemfleet status',
    'What to do: docs/runbook.md',
    `Bucket: ${printable(bucket)}`,
  ];
  return {
    subject: `pemfleet: ${rises.map(riseText).join(', ')}`.slice(0, MAX_SUBJECT),
    text: `${[...lines, ...end].join('\n')}\n`,
  };
}
