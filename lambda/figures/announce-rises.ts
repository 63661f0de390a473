/** Sends people the names of what is wrong when a level rises: to the topic of the alarms, and to the log. */
import { startDeadline } from '#common/deadline.ts';
import { SECOND_MS } from '#common/time.ts';
import { digest } from '#contract/combined-pem.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readCached, serializeCached } from '#storage/cached-document.ts';
import type { Log } from '../log.ts';
import type { Level } from './levels.ts';
import type { Problem } from './problems.ts';
import {
  type AlarmMessage,
  type AnnouncedLevels,
  announcedLevels,
  messageOfRises,
  problemText,
  type Rise,
  risesOf,
} from './rises.ts';

/** Sends a message to whoever subscribes to the alarms. */
export interface AlarmTopic {
  publish(message: AlarmMessage): Promise<void>;
}

export interface AnnounceOptions {
  bucket: Bucket;
  log: Log;
  now: Date;
  wakeMinutes: number;
  /** Undefined: the log is all that people have. */
  topic?: AlarmTopic | undefined;
}

/** The figures wait for it, and a pass may be late. */
const PUBLISH_MS = 5 * SECOND_MS;

/**
 * At least once: a pass that is killed after the message leaves it to the next one to send it again, and so does one that could not send
 * it. What fails is logged (`levels.failed`), and fails no pass.
 * @param incomplete levels of which some facts are unknown
 */
export async function announceRises(
  options: AnnounceOptions,
  problems: readonly Problem[],
  incomplete: ReadonlySet<Level> = new Set(),
): Promise<void> {
  const { bucket, log } = options;
  try {
    const { value, sha256 } = await readCached(bucket, layout.announcedLevels, announcedLevels);
    const { rises, whenSent, whenNot } = risesOf(value?.levels ?? {}, problems, incomplete, options);
    const isSent = rises.length === 0 || (await send(options, rises));
    const next = textOf(isSent ? whenSent : whenNot);
    if (digest(next) !== (sha256 ?? digest(textOf({})))) await bucket.put(layout.announcedLevels, next);
  } catch (error) {
    log('levels.failed', { code: codeOf(error), error: messageOf(error) });
  }
}

async function send({ bucket, log, topic }: AnnounceOptions, rises: readonly Rise[]): Promise<boolean> {
  for (const { level, count, worst } of rises) {
    log('level.risen', { level, count, worst: worst.map(problemText) });
  }
  if (topic === undefined) return true;
  const deadline = startDeadline(PUBLISH_MS);
  try {
    await deadline.wait(() => topic.publish(messageOfRises(rises, bucket.url)));
    return true;
  } catch (error) {
    log('levels.failed', { code: codeOf(error), error: messageOf(error) });
    return false;
  } finally {
    deadline.clear();
  }
}

function textOf(levels: AnnouncedLevels): string {
  return serializeCached({ version: 1, levels });
}
