/**
 * CloudWatch's evaluation of an alarm, by its User Guide ("Alarm evaluation", "Configuring how CloudWatch alarms treat missing data"): data
 * points of the last periods, more of them than the alarm evaluates; what is missing is filled in only where too few are there.
 */
export interface AlarmSettings {
  Statistic: string;
  /** In seconds. */
  Period: number;
  EvaluationPeriods: number;
  DatapointsToAlarm: number;
  Threshold: number;
  ComparisonOperator: string;
  TreatMissingData: string;
}

export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';

/** A value of the metric. */
export interface Datum {
  /** In minutes. */
  at: number;
  value: number;
}

export interface Transition {
  at: number;
  state: AlarmState;
}

/** A data point of a period: within the threshold, beyond it, missing. */
export type Point = 'O' | 'X' | '-';

/** Periods that CloudWatch looks back for beyond those that it evaluates, as in the guide's tables. */
const MORE_PERIODS = 2;
/** How often CloudWatch looks, and the windows slide with it. */
const STEP_MINUTES = 5;
/** Until a new stack has made a pass, missing data is a breach: that is no fault of the month. */
const FIRST_MINUTES = 60;

/** @param points the newest last */
export function stateOf(
  points: readonly Point[],
  { EvaluationPeriods, DatapointsToAlarm, TreatMissingData }: AlarmSettings,
  state: AlarmState,
): AlarmState {
  const real = points.filter((point) => point !== '-').slice(-EvaluationPeriods);
  const breaching = real.filter((point) => point === 'X').length;
  const filled = EvaluationPeriods - real.length;
  if (breaching >= DatapointsToAlarm) return 'ALARM';
  if (TreatMissingData === 'breaching') return breaching + filled >= DatapointsToAlarm ? 'ALARM' : 'OK';
  if (TreatMissingData === 'notBreaching') return 'OK';
  if (real.length > 0 && breaching + filled < DatapointsToAlarm) return 'OK';
  return TreatMissingData === 'ignore' ? state : 'INSUFFICIENT_DATA';
}

const STATISTICS: Readonly<Record<string, (values: readonly number[]) => number>> = {
  Maximum: (values) => Math.max(...values),
  Minimum: (values) => Math.min(...values),
  Sum: (values) => values.reduce((sum, value) => sum + value, 0),
};

function pointOf(
  values: readonly number[],
  { Statistic, Threshold, ComparisonOperator }: AlarmSettings,
): Point {
  if (values.length === 0) return '-';
  const value = STATISTICS[Statistic]?.(values) ?? Number.NaN;
  const compare: Readonly<Record<string, boolean>> = {
    GreaterThanOrEqualToThreshold: value >= Threshold,
    LessThanThreshold: value < Threshold,
  };
  const isBreaching = compare[ComparisonOperator];
  if (Number.isNaN(value) || isBreaching === undefined)
    throw new TypeError(`${Statistic} ${ComparisonOperator}`);
  return isBreaching ? 'X' : 'O';
}

/** @param data in their order. @returns each change of the state, from INSUFFICIENT_DATA on */
export function transitionsOf(
  settings: AlarmSettings,
  data: readonly Datum[],
  minutes: number,
): Transition[] {
  const period = settings.Period / 60;
  const periods = settings.EvaluationPeriods + MORE_PERIODS;
  const all: Transition[] = [];
  let state: AlarmState = 'INSUFFICIENT_DATA';
  let first = 0;
  for (let now = FIRST_MINUTES; now <= minutes; now += STEP_MINUTES) {
    while ((data[first]?.at ?? now) <= now - periods * period) first++;
    const values = Array.from({ length: periods }, (): number[] => []);
    for (let index = first; (data[index]?.at ?? now + 1) <= now; index++) {
      const { at = 0, value = 0 } = data[index] ?? {};
      values[periods - 1 - Math.floor((now - at) / period)]?.push(value);
    }
    const next: AlarmState = stateOf(
      values.map((window) => pointOf(window, settings)),
      settings,
      state,
    );
    if (next !== state) all.push({ at: now, state: next });
    state = next;
  }
  return all;
}
