/**
 * A simulated month for each alarm of the template: it sounds once, stays, ends when the fault ends, and never flaps, though passes are late,
 * stopped, killed, or cannot read all; no other alarm sounds. `PEMFLEET_UPDATE_SNAPSHOTS=1` writes the table of docs/aws.md anew.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { PERIODS, periodMinutes } from '../../lambda/figures/levels.ts';
import {
  type AlarmSettings,
  type AlarmState,
  type Point,
  stateOf,
  type Transition,
  transitionsOf,
} from '../support/issuer/alarm-states.ts';
import {
  BEGIN_MS,
  DAYS,
  END_MS,
  FAULTS,
  type Fault,
  MONTH_MINUTES,
  monthOf,
  WAKE_MINUTES,
} from '../support/issuer/month.ts';
import { small, synthesize } from './stacks.ts';

const { template } = synthesize({ ...small, wakeMinutes: WAKE_MINUTES, probe: true }, { dashboard: false });
const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(
  ({ Properties }) => Properties as AlarmSettings & { MetricName: string },
);

/** Of each alarm: its states in a month, without the first OK. */
function statesIn(month: ReturnType<typeof monthOf>): ReadonlyMap<string, Transition[]> {
  return new Map(
    alarms.map((alarm) => {
      const [first, ...rest] = transitionsOf(alarm, month.get(alarm.MetricName) ?? [], MONTH_MINUTES);
      return [alarm.MetricName, first?.state === 'OK' ? rest : first === undefined ? [] : [first, ...rest]];
    }),
  );
}

const SOUNDS: readonly AlarmState[] = ['ALARM', 'OK'];
const statesByFault = new Map(FAULTS.map((fault) => [fault, statesIn(monthOf(fault))]));
const ownStates = (fault: Fault) => statesByFault.get(fault)?.get(fault.alarm) ?? [];

test("the evaluation is CloudWatch's: the tables of its guide", () => {
  const three = { EvaluationPeriods: 3, DatapointsToAlarm: 3 };
  const rows: [points: string, ignore: string, breaching: string, missing: string, notBreaching: string][] = [
    ['O-X-X', 'OK', 'OK', 'OK', 'OK'],
    ['O----', 'OK', 'OK', 'OK', 'OK'],
    ['-----', 'retain', 'ALARM', 'INSUFFICIENT_DATA', 'OK'],
    ['OXX-X', 'ALARM', 'ALARM', 'ALARM', 'ALARM'],
  ];
  for (const [points, ...states] of rows) {
    const kinds = ['ignore', 'breaching', 'missing', 'notBreaching'];
    for (const [index, TreatMissingData] of kinds.entries()) {
      const settings = { ...three, TreatMissingData } as AlarmSettings;
      const state = stateOf([...points] as Point[], settings, 'retain' as AlarmState);
      assert.equal(state, states[index], `${points} ${TreatMissingData}`);
    }
  }
  const premature = { ...three, TreatMissingData: 'ignore' } as AlarmSettings;
  assert.equal(stateOf([...'--X--'] as Point[], premature, 'OK'), 'OK', 'retained');
});

test('each alarm of the template has a month', () => {
  assert.deepEqual(
    FAULTS.map(({ alarm }) => alarm).sort(),
    alarms.map(({ MetricName }) => MetricName).sort(),
  );
});

test('a month without a fault: no alarm sounds, though every twelfth pass is stopped, killed or cannot read', () => {
  for (const [name, states] of statesIn(monthOf(undefined))) assert.deepEqual(states, [], name);
});

for (const fault of FAULTS) {
  test(`a month in which ${fault.says}: ${fault.alarm} sounds once, stays, and ends with it; no other does`, () => {
    const states = ownStates(fault);
    const { begins = BEGIN_MS, ends = END_MS, also = [] } = fault;

    assert.deepEqual(
      states.map(({ state }) => state),
      SOUNDS,
    );
    const [sounds, isOver] = states.map(({ at }) => at * MINUTE_MS);
    const after = (sounds ?? 0) - begins;
    const over = (isOver ?? 0) - ends;
    assert.ok(
      after >= 0 && after <= (LATEST_MS[fault.alarm] ?? 0),
      `sounds ${after / HOUR_MS} h after it begins`,
    );
    assert.ok(over >= 0 && over <= (OVER_MS[fault.alarm] ?? 0), `ends ${over / HOUR_MS} h after it ends`);
    for (const [name, other] of statesByFault.get(fault) ?? []) {
      const expected = name === fault.alarm || also.includes(name) ? SOUNDS : [];
      assert.deepEqual(
        other.map(({ state }) => state),
        expected,
        name,
      );
    }
  });
}

const period = periodMinutes(WAKE_MINUTES) * MINUTE_MS;
/** Two passes that fail, one after the other, are a period and a half. */
const SLACK_MS = 1.5 * period;
const LATEST_MS: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    Object.entries(PERIODS).map(([level, periods]) => [level, (periods - 1) * period + SLACK_MS]),
  ),
  // Three hours are silence.
  HostsSilent: 3 * HOUR_MS + SLACK_MS,
  RunFinished: 5 * period + SLACK_MS,
  // Two periods, and the pass that asks.
  NamesWrong: period + 3 * WAKE_MINUTES * MINUTE_MS + SLACK_MS,
};
const OVER_MS: Readonly<Record<string, number>> = {
  ...Object.fromEntries(Object.keys(PERIODS).map((level) => [level, period + SLACK_MS])),
  // The order is tried again 100 minutes after it failed last, and a fifth of it.
  CertificatesFailing: 120 * MINUTE_MS + period + SLACK_MS,
  RunFinished: SLACK_MS,
  NamesWrong: period + 3 * WAKE_MINUTES * MINUTE_MS + SLACK_MS,
};

test('the issuer dies while an alarm sounds, or is killed pass by pass: RunFinished sounds, and no alarm says OK falsely', () => {
  for (const fault of FAULTS.filter(({ alarm }) => alarm !== 'RunFinished')) {
    const { begins = BEGIN_MS, ends = END_MS } = fault;
    const [dies, lives] = [begins + (ends - begins) / 2, begins + (ends - begins) / 2 + 2 * DAY_MS];
    // Back before the fault ends, or after it.
    const states = statesIn(monthOf({ ...fault, isDead: (ms) => ms >= dies && ms < lives }));

    assert.deepEqual(
      states.get(fault.alarm)?.map(({ state }) => state),
      SOUNDS,
      fault.alarm,
    );
    const over = (states.get(fault.alarm)?.[1]?.at ?? 0) * MINUTE_MS;
    assert.ok(over >= Math.min(ends, Math.max(lives, ends)), `${fault.alarm} is over while it is true`);
    assert.deepEqual(
      states.get('RunFinished')?.map(({ state }) => state),
      SOUNDS,
    );
  }
});

const TABLE = /\| alarm \| in the simulated month \|[\s\S]*?(?=\n\n)/;
const file = fileURLToPath(new URL('../../docs/aws.md', import.meta.url));

function span(ms: number): string {
  const minutes = Math.round(ms / MINUTE_MS);
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return hours === 0 ? `${rest} min` : `${hours} h ${rest} min`;
}

function stateTable(): string {
  const rows = FAULTS.map((fault) => {
    const { alarm, says, begins = BEGIN_MS, ends = END_MS } = fault;
    const [sounds, isOver] = ownStates(fault).map(({ at }) => at * MINUTE_MS);
    const states = `OK → ALARM after ${span((sounds ?? 0) - begins)} → OK ${span((isOver ?? 0) - ends)} after its end`;
    return `| \`${alarm}\` | ${says} | ${states} |`;
  });
  return ['| alarm | in the simulated month | states |', '|---|---|---|', ...rows].join('\n');
}

test(`docs/aws.md has the states of each alarm in ${DAYS} days`, () => {
  const text = readFileSync(file, 'utf8');

  if (process.env['PEMFLEET_UPDATE_SNAPSHOTS'] === '1') {
    writeFileSync(file, text.replace(TABLE, stateTable()));
  }
  assert.equal(
    TABLE.exec(readFileSync(file, 'utf8'))?.[0],
    stateTable(),
    'differs: see the head of this file',
  );
});
