/** What is still to be sent: kept until each channel has it, and no longer than three days. At least once; receivers drop doubles by the id. Pure. */
import { DAY_MS, MINUTE_MS } from '#common/time.ts';
import type { NoticeKind } from '../config/notify/channel.ts';
import type { PendingNotice } from './memory.ts';
import type { Notice } from './notice.ts';

const [MAX_AGE_MS, MAX_PENDING] = [3 * DAY_MS, 50];
/** A program that was killed while it sent leaves its notices to the next one. */
const BUSY_MS = 5 * MINUTE_MS;

/** By name, what each channel gets. */
export type Subscriptions = ReadonlyMap<string, readonly NoticeKind[]>;

export interface Outbox {
  pending: PendingNotice[];
  /** Of earlier passes: too old, or too many. */
  dropped: PendingNotice[];
}

/** @param before what earlier passes have left. A channel that is configured no more gets nothing */
export function fillOutbox(
  before: readonly PendingNotice[],
  notices: readonly Notice[],
  subscriptions: Subscriptions,
  now: Date,
): Outbox {
  const added = notices.map((notice): PendingNotice => {
    const channels = [...subscriptions].filter(([, kinds]) => kinds.includes(notice.kind));
    return { notice, channels: channels.map(([name]) => name), attempts: 0 };
  });
  const old = before.map((one) => ({
    ...one,
    channels: one.channels.filter((name) => subscriptions.has(name)),
  }));
  const known = new Set(old.map(({ notice }) => notice.id));
  const all = [...old, ...added.filter(({ notice }) => !known.has(notice.id))].filter(
    ({ channels }) => channels.length > 0,
  );
  const isOld = ({ notice }: PendingNotice) => now.getTime() - Date.parse(notice.at) > MAX_AGE_MS;
  const fresh = all.filter((one) => !isOld(one));
  const pending = fresh.slice(-MAX_PENDING);
  return { pending, dropped: [...all.filter(isOld), ...fresh.slice(0, fresh.length - pending.length)] };
}

/** Of two programs at once, one sends. @returns as stored, and those to send */
export function claimPending(
  pending: readonly PendingNotice[],
  isOurs: (channel: string) => boolean,
  now: Date,
): { pending: PendingNotice[]; claimed: PendingNotice[] } {
  const isFree = ({ busyUntil, channels }: PendingNotice) =>
    channels.some(isOurs) && (busyUntil === undefined || busyUntil <= now || isAhead(busyUntil, now));
  const claimed = pending.filter(isFree);
  const busyUntil = new Date(now.getTime() + BUSY_MS);
  return { claimed, pending: pending.map((one) => (isFree(one) ? { ...one, busyUntil } : one)) };
}

/** Written by a clock that was wrong. */
function isAhead(busyUntil: Date, now: Date): boolean {
  return busyUntil.getTime() - now.getTime() > 2 * BUSY_MS;
}

/** By the id of the notice: the channels that have it now. */
export type Delivered = ReadonlyMap<string, ReadonlySet<string>>;

/** Also of a document that another program has written meanwhile. */
export function withoutDelivered(
  pending: readonly PendingNotice[],
  claimed: readonly PendingNotice[],
  delivered: Delivered,
): PendingNotice[] {
  const ours = new Set(claimed.map(({ notice }) => notice.id));
  return pending.flatMap((one) => {
    if (!ours.has(one.notice.id)) return [one];
    const { busyUntil: _, ...rest } = one;
    const channels = one.channels.filter((name) => !delivered.get(one.notice.id)?.has(name));
    return channels.length === 0 ? [] : [{ ...rest, channels, attempts: one.attempts + 1 }];
  });
}
