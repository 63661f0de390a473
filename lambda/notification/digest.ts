/** The weekly digest: how many there are, what ends first, what stands. That it does not come is a sign, too. Pure. */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { type NotifySettings, WEEKDAYS } from '../config/notify/notify.ts';
import type { ProblemFacts } from '../figures/problems.ts';
import type { PassResult } from '../outcome.ts';
import { changesOf, idOf } from './changes.ts';
import type { StandingLevel } from './conditions.ts';
import { type NoticeFrame, standingOf } from './group.ts';
import { MAX_CHANGES, type Notice } from './notice.ts';

/** UTC. */
const AT_HOUR = 6;

/** @returns the last time at which a digest was due; undefined: there is none */
export function lastDigestTime(day: NotifySettings['digest'], now: Date): Date | undefined {
  if (day === 'off') return undefined;
  const today = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()) + AT_HOUR * HOUR_MS;
  const daysAgo = (now.getUTCDay() - WEEKDAYS.indexOf(day) + 7) % 7;
  const last = today - daysAgo * DAY_MS;
  return new Date(last <= now.getTime() ? last : last - 7 * DAY_MS);
}

type DigestFacts = Pick<ProblemFacts, 'fleets' | 'published'> & Pick<PassResult, 'manifests'>;

export function digestNotice(
  dueAt: Date,
  frame: NoticeFrame,
  current: readonly StandingLevel[],
  { fleets, published, manifests }: DigestFacts,
): Notice {
  const { bucket, now, conditions } = frame;
  const known = current.filter(({ key }) => conditions[key]?.stage !== undefined);
  const [first] = [...published].sort((a, b) => a.notAfter.getTime() - b.notAfter.getTime());
  const entries = [...manifests.values()].flatMap((read) =>
    Object.entries(read?.manifest.certificates ?? {}),
  );
  const weekAgo = now.getTime() - 7 * DAY_MS;
  const renewed = entries.filter(([, { publishedAt }]) => Date.parse(publishedAt) > weekAgo);
  const steps = known.map(
    (one) => ({ key: one.key, type: 'begun', was: conditions[one.key], now: one }) as const,
  );
  return {
    ...{ id: idOf('digest', bucket, dueAt.toISOString()), kind: 'digest', at: now.toISOString(), bucket },
    count: known.length,
    changes: changesOf([], steps, { now }).slice(0, MAX_CHANGES),
    standing: standingOf(conditions),
    digest: {
      certificates: new Set(entries.map(([name]) => name)).size,
      fleets: manifests.size,
      hosts: fleets.flatMap(({ summaries }) => Object.values(summaries)).filter(({ hasLeft }) => !hasLeft)
        .length,
      renewed: new Set(renewed.map(([name]) => name)).size,
      ...(first && {
        firstEnd: { certificate: first.certificate, notAfter: first.notAfter.toISOString() },
      }),
    },
  };
}
