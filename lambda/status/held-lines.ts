/** Which certificates wait for room within a limit of their CA, as the last pass has left it. */
import { BucketError } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type HeldGroup, readCaState } from '../ca/state.ts';
import type { StatusLine } from './status-line.ts';
import { relativeTime } from './time-text.ts';

/** Nothing where the document cannot be read: it only saves work, and what is missing has a line of its own. */
export async function readHeldLines(bucket: Pick<Bucket, 'get'>, now: Date): Promise<StatusLine[]> {
  try {
    const { held = [] } = await readCaState(bucket);
    return held.map((group) => heldLine(group, now));
  } catch (error) {
    if (error instanceof BucketError) return [];
    throw error;
  }
}

function heldLine(group: HeldGroup, now: Date): StatusLine {
  const { directoryUrl, text, certificates, examples, from, until } = group;
  const more = certificates > examples.length ? `, and ${certificates - examples.length} more` : '';
  const times = `the first has room ${relativeTime(from.toISOString(), now)}`;
  const last = until > from ? `, the last ${relativeTime(until.toISOString(), now)}` : '';
  const who = `${certificates} wait for ${new URL(directoryUrl).host} (${text})`;
  return {
    level: 'note',
    code: 'held-back',
    text: `${who}; ${times}${last}: ${examples.join(', ')}${more}`,
  };
}
