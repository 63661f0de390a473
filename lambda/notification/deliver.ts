/**
 * Hands notices to channels, all channels at once. A receiver that fails or hangs costs its time-out and a warning: what it has not taken is
 * sent by the next pass, and so is what stands behind it in its queue.
 */

import { startDeadline } from '#common/deadline.ts';
import { printable } from '#common/printable.ts';
import { SECOND_MS } from '#common/time.ts';
import { messageOf } from '#contract/errors.ts';
import type { Log } from '../log.ts';
import type { PendingNotice } from './memory.ts';
import type { Notice } from './notice.ts';
import type { Delivered } from './outbox.ts';
import { type NoticeText, wordsOf } from './text.ts';

/** One channel, opened by the program: what it needs of the machine is its own matter. */
export interface NoticeChannel {
  readonly timeoutSeconds: number;
  /**
   * At least once; a receiver knows doubles by the notice's id.
   * @returns what came back, for people
   * @throws Error without a secret in it
   */
  send(notice: Notice, text: NoticeText, signal: AbortSignal): Promise<string>;
}

/** By the names of the configuration. */
export type NoticeChannels = ReadonlyMap<string, NoticeChannel>;

export interface DeliverOptions {
  log: Log;
  /** For all together, however long each may take. */
  withinMs: number;
}

const MAX_SAID = 300;

export async function deliver(
  claimed: readonly PendingNotice[],
  channels: NoticeChannels,
  options: DeliverOptions,
): Promise<Delivered> {
  const delivered = new Map<string, Set<string>>();
  const work = [...channels].map(async ([name, channel]) => {
    const end = Date.now() + options.withinMs;
    for (const { notice, channels: wanted } of claimed) {
      if (!wanted.includes(name)) continue;
      const result = await sendOnce(notice, channel, Math.max(1, end - Date.now()));
      logResult(options.log, name, notice, result);
      if (!result.isSent) return;
      delivered.set(notice.id, (delivered.get(notice.id) ?? new Set()).add(name));
    }
  });
  await Promise.all(work);
  return delivered;
}

export interface SendResult {
  isSent: boolean;
  said: string;
}

/** @returns what came back, or why nothing did; throws nothing */
export async function sendOnce(
  notice: Notice,
  channel: NoticeChannel,
  withinMs: number,
): Promise<SendResult> {
  const deadline = startDeadline(Math.min(withinMs, channel.timeoutSeconds * SECOND_MS));
  const abort = new AbortController();
  try {
    const said = await deadline.wait(() => channel.send(notice, wordsOf(notice), abort.signal));
    return { isSent: true, said: printable(said).slice(0, MAX_SAID) };
  } catch (error) {
    abort.abort();
    return { isSent: false, said: printable(messageOf(error)).slice(0, MAX_SAID) };
  } finally {
    deadline.clear();
  }
}

function logResult(
  log: Log,
  channel: string,
  { kind, id, count }: Notice,
  { isSent, said }: SendResult,
): void {
  if (isSent) log('notice.sent', { channel, kind, count, id });
  else log('notice.failed', { channel, kind, count, id, error: said });
}
