/** From changes to notices: one for each kind, with a number and the first of them, whether one certificate changes or two thousand. Pure. */
import { NOTICE_KINDS } from '../config/notify/channel.ts';
import { idOf } from './changes.ts';
import type { Followed } from './memory.ts';
import { MAX_CHANGES, type Notice, type NoticeChange } from './notice.ts';

export interface NoticeFrame {
  bucket: string;
  now: Date;
  /** After these changes. */
  conditions: Readonly<Record<string, Followed>>;
  /** Before them. */
  before: Readonly<Record<string, Followed>>;
}

export function groupChanges(changes: readonly NoticeChange[], frame: NoticeFrame): Notice[] {
  const standing = standingOf(frame.conditions);
  return NOTICE_KINDS.flatMap((kind) => {
    const own = changes.filter((change) => change.kind === kind);
    if (own.length === 0) return [];
    const ids = own.map(({ id }) => id).sort();
    return {
      id: ids.length === 1 ? `${ids[0]}` : idOf('notice', ...ids),
      ...{ kind, at: frame.now.toISOString(), bucket: frame.bucket, count: own.length, standing },
      // A receiver of levels has an alert for each that stood in a notice by name: its end comes first.
      changes: [...own].sort((a, b) => rank(a, frame) - rank(b, frame)).slice(0, MAX_CHANGES),
    };
  });
}

function rank({ conditions: [key = ''] = [] }: NoticeChange, { before }: NoticeFrame): number {
  return before[key]?.isNamed ? 0 : 1;
}

/** What people know of, by kind. */
export function standingOf(conditions: Readonly<Record<string, Followed>>): Notice['standing'] {
  const counts: Notice['standing'] = {};
  for (const { kind, stage } of Object.values(conditions)) {
    if (stage !== undefined) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** Marks what stands in a notice one by one. */
export function withNamed(
  conditions: Readonly<Record<string, Followed>>,
  notices: readonly Notice[],
): Record<string, Followed> {
  const named = new Set(notices.flatMap(({ changes }) => changes.flatMap((one) => one.conditions ?? [])));
  return Object.fromEntries(
    Object.entries(conditions).map(([key, one]) => {
      return [key, named.has(key) && one.stage !== undefined ? { ...one, isNamed: true as const } : one];
    }),
  );
}
