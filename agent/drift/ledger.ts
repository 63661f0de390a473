/** Pure: what was found different in the last 14 days, each kind of each file once, with its days, so that what returns every night shows. */
import { DAY_MS } from '#common/time.ts';
import { type Drift, MAX_DRIFTS } from '#contract/host-status.ts';
import type { DriftRecord } from '../state/left.ts';
import type { DetectedDrift } from './detect.ts';

const KEPT_DAYS = 14;

/** @returns the ledger itself where nothing is new or too old */
export function withDrifts(
  ledger: readonly DriftRecord[],
  detected: readonly (DetectedDrift & { culprit: string })[],
  now: Date,
): readonly DriftRecord[] {
  const kept = ledger.flatMap((record) => upToDate(record, now) ?? []);
  const isSame = kept.length === ledger.length && kept.every((record, index) => record === ledger[index]);
  if (detected.length === 0) return isSame ? ledger : kept;
  const byKey = new Map(kept.map((record) => [keyOf(record), record]));
  for (const drift of detected) byKey.set(keyOf(drift), counted(byKey.get(keyOf(drift)), drift, now));
  return [...byKey.values()].sort(byImportance).slice(0, MAX_DRIFTS);
}

export function driftStatus(ledger: readonly DriftRecord[] = []): Drift[] | undefined {
  const drifts = ledger.map(({ dates, culprit, ...record }) => ({
    ...record,
    days: dates.length,
    ...(culprit && { culprit }),
  }));
  return drifts.length > 0 ? drifts : undefined;
}

const keyOf = ({ kind, file }: Pick<DriftRecord, 'kind' | 'file'>) => `${kind} ${file}`;
const dateOf = (time: Date) => time.toISOString().slice(0, 10);

/** Of a clock that was ahead: nothing lies in the future. @returns undefined: it is too old */
function upToDate(record: DriftRecord, now: Date): DriftRecord | undefined {
  const time = now.toISOString();
  const oldest = new Date(now.getTime() - KEPT_DAYS * DAY_MS);
  const at = earlier(record.at, time);
  if (new Date(at) < oldest) return undefined;
  const dates = record.dates.filter((date) => date > dateOf(oldest) && date <= dateOf(now));
  if (at === record.at && dates.length === record.dates.length) return record;
  return {
    ...record,
    at,
    first: earlier(record.first, at),
    dates: dates.length > 0 ? dates : [at.slice(0, 10)],
  };
}

function counted(
  before: DriftRecord | undefined,
  { kind, file, certificate, culprit }: DetectedDrift & { culprit: string },
  now: Date,
): DriftRecord {
  const at = now.toISOString();
  const dates = new Set([...(before?.dates ?? []), dateOf(now)]);
  const { first, count } = before ?? { first: at, count: 0 };
  return { ...{ kind, file, certificate, first, at }, count: count + 1, dates: [...dates], culprit };
}

const earlier = (a: string, b: string) => (a < b ? a : b);

/** The latest, then what has returned most often. */
function byImportance(a: DriftRecord, b: DriftRecord): number {
  const compare = (one: string, other: string) => Number(one > other) - Number(one < other);
  return compare(b.at, a.at) || b.dates.length - a.dates.length || compare(a.file, b.file);
}
