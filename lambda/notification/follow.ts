/**
 * From levels to changes: what has begun, has become worse, or has ended since people were told. What flaps is told when it begins, and ends
 * only when it has been away for a while, twice as long each time of a day. Pure.
 */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import type { StandingLevel } from './conditions.ts';
import type { Followed } from './memory.ts';

export interface FollowedChange {
  key: string;
  type: 'begun' | 'worse' | 'ended';
  /** Of what has ended: as it was. */
  was: Followed | undefined;
  now: StandingLevel | undefined;
}

export interface Followup {
  conditions: Record<string, Followed>;
  changes: FollowedChange[];
}

/** @param isUnknown whether it may stand though nobody says so: its facts could not be read */
export function followConditions(
  before: Readonly<Record<string, Followed>>,
  current: readonly StandingLevel[],
  isUnknown: (known: Followed) => boolean,
  now: Date,
): Followup {
  const result: Followup = { conditions: {}, changes: [] };
  const standing = new Map(current.map((one) => [one.key, one]));
  for (const key of [...new Set([...Object.keys(before), ...standing.keys()])].sort()) {
    const [known, condition] = [before[key], standing.get(key)];
    const step = condition
      ? stand(known, condition, now)
      : known && (isUnknown(known) ? { next: known } : goAway(known, now));
    if (step?.next !== undefined) result.conditions[key] = step.next;
    if (step?.type !== undefined) {
      result.changes.push({ key, type: step.type, was: known, now: condition });
    }
  }
  return result;
}

interface Step {
  next?: Followed | undefined;
  type?: FollowedChange['type'];
}

function stand(given: Followed | undefined, condition: StandingLevel, now: Date): Step {
  const { kind, certificate, fleet, host, code, stage, patienceMs } = condition;
  const isOpen = given !== undefined && given.endedAt === undefined;
  // By a clock that is ahead it would wait for ever.
  const since = isOpen ? given.since : earlier(condition.since ?? now, now);
  const openings = given?.openings ?? 0;
  const facts = {
    ...{ kind, code, since },
    ...(certificate !== undefined && { certificate }),
    ...(fleet !== undefined && { fleet }),
    ...(host !== undefined && { host }),
  };
  if (isOpen && given.stage !== undefined) {
    const isWorse = stage > given.stage;
    const { isNamed } = given;
    const next = { ...facts, stage: Math.max(stage, given.stage), openings, ...(isNamed && { isNamed }) };
    return isWorse ? { next, type: 'worse' } : { next };
  }
  const isDue = now.getTime() - since.getTime() >= patienceMs;
  if (!isDue) return { next: { ...facts, ...(openings > 0 && { openings }) } };
  return { next: { ...facts, stage, openings: openings + 1 }, type: 'begun' };
}

function goAway(known: Followed, now: Date): Step {
  const { stage, endedAt, awaySince = now, openings = 1 } = known;
  if (endedAt !== undefined) return now.getTime() - endedAt.getTime() < DAY_MS ? { next: known } : {};
  // Nobody was told that it began; that it comes and goes is remembered.
  if (stage === undefined) return {};
  if (now.getTime() - awaySince.getTime() < calmMs(openings)) return { next: { ...known, awaySince } };
  const { awaySince: _, stage: __, isNamed: ___, ...rest } = known;
  return { next: { ...rest, endedAt: now }, type: 'ended' };
}

/** The first end of a day is told at once. */
function calmMs(openings: number): number {
  return openings <= 1 ? 0 : Math.min(DAY_MS, HOUR_MS * 2 ** (openings - 2));
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b;
}
