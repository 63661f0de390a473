/** What operators hold, and what passes have published all the same, because it was revoked or had less than a fifth of its life left. */
import { BucketError, messageOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { FleetReport } from '../fleet/report.ts';
import { type HoldWord, holdText, readHolds, type StoredHold } from '../hold/holds.ts';
import { isInForce } from '../hold/in-force.ts';
import { lastCallSince } from '../order/lifetime.ts';
import type { StatusLine } from './status-line.ts';
import { relativeTime } from './time-text.ts';

/** Certificates in one line. */
const MAX_NAMED = 5;

export interface HeldView {
  holds: readonly StoredHold[];
  lines: StatusLine[];
}

/** What cannot be read is a line. @param only this fleet: no line about another one */
export async function readHoldLines(
  bucket: Bucket,
  reports: readonly FleetReport[],
  only: string | undefined,
  now: Date,
): Promise<HeldView> {
  try {
    const holds = (await readHolds(bucket)).filter((hold) => isInForce(hold, now));
    const wanted = holds.filter(({ subject }) => {
      return only === undefined || !('fleet' in subject) || subject.fleet === only;
    });
    return { holds, lines: wanted.flatMap((hold) => linesOf(hold, reports, now)) };
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    const text = `what operators hold is unknown: ${error.code} ${messageOf(error)}`;
    return { holds: [], lines: [{ level: 'unknown', code: 'hold-unreadable', text }] };
  }
}

/** Not renewed in time, because an operator wants it so: that is no fault. */
export function isHeldLine({ code, fleet, certificate }: StatusLine, holds: readonly StoredHold[]): boolean {
  if (code !== 'overdue') return false;
  return holds.some(({ subject }) =>
    'fleet' in subject ? subject.fleet === fleet : subject.certificate === certificate,
  );
}

function linesOf(
  { subject, word, fault }: StoredHold,
  reports: readonly FleetReport[],
  now: Date,
): StatusLine[] {
  const about = 'fleet' in subject ? { fleet: subject.fleet } : { certificate: subject.certificate };
  const resume = `pemfleet resume ${'fleet' in subject ? `--fleet ${subject.fleet}` : subject.certificate}`;
  const what = holdText(subject);
  if (word === undefined) {
    const says = `is held, and until when and why is unknown: ${fault?.code} ${fault?.message}; ${resume} ends it, or hold it again`;
    return [{ level: 'unknown', code: 'hold-unreadable', ...about, text: `${what}: ${says}` }];
  }
  const broken = brokenIn({ subject, word }, reports, now);
  const text = `${what}: held ${relativeTime(word.at, now)} by ${word.by}: ${word.reason}${endText(word, now)}`;
  const held: StatusLine = { level: 'note', code: 'hold', ...about, since: word.at, text };
  if (broken.length === 0) return [held];
  const named = broken.slice(0, MAX_NAMED).join(', ');
  const more = broken.length > MAX_NAMED ? `, and ${broken.length - MAX_NAMED} more` : '';
  const why = 'revoked, or with less than a fifth of its life left';
  const says = `the hold of ${relativeTime(word.at, now)} (${word.reason}) is broken: ${named}${more}: ${why}; ${resume} ends it, hold it again if it is still meant`;
  return [held, { level: 'wrong', code: 'hold-broken', ...about, since: word.at, text: `${what}: ${says}` }];
}

function endText({ until }: HoldWord, now: Date): string {
  return until === undefined ? '' : `; ends ${relativeTime(until, now)}`;
}

/** Published since, or about to be. */
function brokenIn(
  { subject, word }: { subject: StoredHold['subject']; word: HoldWord },
  reports: readonly FleetReport[],
  now: Date,
): string[] {
  return reports.flatMap(({ fleet, certificates }) =>
    certificates.flatMap((one) => {
      const isMeant = 'fleet' in subject ? subject.fleet === fleet : subject.certificate === one.certificate;
      if (!isMeant || !one.isConfigured) return [];
      const where = `${one.certificate} (fleet ${fleet})`;
      // An operator's own rollback breaks no hold.
      if (one.publishedAt > word.at && one.rolledBackAt === undefined) {
        return [`${where} was published ${relativeTime(one.publishedAt, now)}`];
      }
      return lastCallSince(one) <= now ? [`${where} is renewed by the next pass`] : [];
    }),
  );
}
