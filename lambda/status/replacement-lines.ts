/**
 * How far requests of `pemfleet replace` have come, and when the last certificate will be replaced: by a drill at the preferred CA, or,
 * of so many that a drill takes seconds, at the pace so far.
 */
import { DAY_MS, minuteText } from '#common/time.ts';
import { BucketError, ContractError, messageOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Config } from '../config/config.ts';
import type { DrillResult } from '../drill/drill.ts';
import { drillFromBucket } from '../drill/drill-from-bucket.ts';
import type { IssuerMemory } from '../publication/ended.ts';
import type { OwnKeys } from '../publication/read-manifest.ts';
import { Replacements } from '../replacement/covered.ts';
import { progressOf, type ReplacementProgress } from '../replacement/progress.ts';
import { readPublishedCertificates } from '../replacement/published.ts';
import { readRequests } from '../replacement/requests.ts';
import type { StatusLine } from './status-line.ts';
import { relativeTime } from './time-text.ts';

/** One that has nothing left is news for so long. */
const NEWS_MS = 7 * DAY_MS;

/** A monitoring check asks for the status each minute: more are not played. */
const MAX_PLAYED = 300;

/** What cannot be read is a line. */
export async function replacementLines(
  source: { bucket: Bucket; config: Config; memory?: IssuerMemory | undefined },
  keys: OwnKeys,
  now: Date,
): Promise<StatusLine[]> {
  try {
    return await readLines(source, keys, now);
  } catch (error) {
    if (!(error instanceof ContractError || error instanceof BucketError)) throw error;
    const text = `what is to be replaced early is unknown: ${error.code} ${messageOf(error)}`;
    return [{ level: 'unknown', code: 'replacement-unreadable', text }];
  }
}

async function readLines(
  source: { bucket: Bucket; config: Config; memory?: IssuerMemory | undefined },
  keys: OwnKeys,
  now: Date,
): Promise<StatusLine[]> {
  const requests = await readRequests(source.bucket);
  if (requests.length === 0) return [];
  const { certificates } = await readPublishedCertificates(source, keys);
  const replacements = new Replacements(requests, now);
  const left = certificates.filter(({ published }) => replacements.replaceSince(published) !== undefined);
  const isPlayed = left.length > 0 && left.length <= MAX_PLAYED;
  const [estimate] = isPlayed
    ? await drillFromBucket({ ...source, at: [source.config.acme], certificates: left, from: now })
    : [];
  return requests
    .map((request) => progressOf(request, certificates, now))
    .filter(({ at, left: open }) => open > 0 || now.getTime() - Date.parse(at) < NEWS_MS)
    .map((progress) => lineOf(progress, endOf(estimate) ?? endAtPace(progress, now), now));
}

function lineOf(progress: ReplacementProgress, end: Date | undefined, now: Date): StatusLine {
  const { at, scope, done, left, failed } = progress;
  const counts = left === 0 ? `all ${done} done` : `${done} done, ${left} left, ${failed} of them failing`;
  const text = `replacing ${scope}: ${counts}${left === 0 ? '' : endText(end, now)}`;
  return { level: 'note', code: 'replacement', since: at, text };
}

/** @returns undefined if a drill has not come to the end */
function endOf(estimate: DrillResult | undefined): Date | undefined {
  if (estimate === undefined || estimate.replaced < estimate.certificates) return undefined;
  return estimate.lastAt;
}

/** What is left takes as long as what is done has. @returns undefined where nothing is done yet */
export function endAtPace(
  { at, done, left }: Pick<ReplacementProgress, 'at' | 'done' | 'left'>,
  now: Date,
): Date | undefined {
  const spentMs = now.getTime() - Date.parse(at);
  if (done === 0 || spentMs <= 0) return undefined;
  return new Date(now.getTime() + (spentMs * left) / done);
}

function endText(end: Date | undefined, now: Date): string {
  if (end === undefined) return '; pemfleet drill says when it ends, and what holds it back';
  const text = end.toISOString();
  return `; the last one ${relativeTime(text, now)} (${minuteText(text)})`;
}
