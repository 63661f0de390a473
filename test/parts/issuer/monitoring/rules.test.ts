// The alarms for Prometheus as Prometheus itself evaluates them (promtool): a month in which each fault comes, stays ten days, and goes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { programPath } from '../../../setup.mjs';
import { makeTempDir } from '../../../support/temp-dir.ts';

const rulesFile = fileURLToPath(new URL('../../../../docs/monitoring/pemfleet.rules.yml', import.meta.url));
const { groups } = parse(readFileSync(rulesFile, 'utf8')) as {
  groups: { rules: { alert: string; expr: string }[] }[];
};
const alerts = groups.flatMap(({ rules }) => rules);
const promtool = (...args: string[]) => promisify(execFile)(programPath('promtool'), args);

/** Steps of half an hour. */
const DAY = 48;
const STEP_S = 1800;
/** Ten days well, ten days with the fault, ten days well. */
const level = (well: string, faulty: string) =>
  `${well}x${10 * DAY - 1} ${faulty}x${10 * DAY - 1} ${well}x${10 * DAY - 1}`;
/** A time that follows the clock, stands still for ten days, and follows it again. */
const clock = `0+${STEP_S}x${10 * DAY - 1} ${10 * DAY * STEP_S}x${10 * DAY - 1} ${20 * DAY * STEP_S}+${STEP_S}x${10 * DAY - 1}`;

const HOST =
  '{instance="host-1",certificate="a.test",file="a.test.pem",code="ERR_X",condition="frozen-manifest",socket="/s"}';

/** The series with which each alarm sounds. The others are 1 while they fail. */
const SERIES: Readonly<Record<string, string>> = {
  PemfleetPassMissing: clock,
  PemfleetAgentSilent: clock,
  PemfleetCertificateNotServed: level('1', '0'),
  PemfleetHaproxyDown: level('1', '0'),
  // Ends 60 days from each moment, but for the ten days in which it ends in a day.
  PemfleetCertificateExpires: [0, 10, 20]
    .map((days) => `${days * 86_400 + (days === 10 ? 1 : 60) * 86_400}+${STEP_S}x${10 * DAY - 1}`)
    .join(' '),
};

test('promtool accepts the rules', async () => {
  const { stdout } = await promtool('check', 'rules', rulesFile);

  assert.match(stdout, new RegExp(`SUCCESS: ${alerts.length} rules found`));
});

test('a month of faults: each alarm sounds once, stays, and ends when the fault ends', async (t) => {
  const place = makeTempDir();
  t.after(place.remove);
  const file = join(place.path, 'tests.yml');
  const series = alerts.map(({ alert, expr }) => {
    return { series: `${/pemfleet_\w+/.exec(expr)?.[0]}${HOST}`, values: SERIES[alert] ?? level('0', '1') };
  });
  const expected = alerts.flatMap(({ alert }) =>
    Array.from({ length: 30 * 4 }, (_, index) => {
      // Never at the moment at which a fault comes or goes.
      const hours = 6 * index + 3;
      // Each waits for two hours at most before it sounds.
      const isFaulty = hours > 10 * 24 && hours < 20 * 24;
      const firing = `count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`;
      return {
        expr: firing,
        eval_time: `${hours}h`,
        exp_samples: [{ labels: '{}', value: isFaulty ? 1 : 0 }],
      };
    }),
  );
  const month = { interval: '30m', input_series: series, promql_expr_test: expected };
  const tests = { rule_files: [rulesFile], evaluation_interval: '30m', tests: [month] };
  writeFileSync(file, stringify(tests));

  await promtool('test', 'rules', file);
  assert.ok(alerts.length >= 15);
});
