/** The rules and the dashboard of docs/monitoring/ ask for metrics that are really there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { metricsText } from '../../../../agent/resident/metrics.ts';
import { figuresText } from '../../../../lambda/figures/figures-text.ts';
import { LEVELS } from '../../../../lambda/figures/levels.ts';

const now = new Date();
const levels = Object.fromEntries(LEVELS.map((level) => [level, 0])) as Record<
  (typeof LEVELS)[number],
  number
>;
const figures = figuresText(
  {
    ...levels,
    ...{
      CertificatesIssued: 0,
      CertificatesUnconfigured: 0,
      DaysToExpiry: 1,
      DriftRepaired: 0,
      OldestProofHours: 1,
    },
  },
  now,
  now,
);
const agent = metricsText({
  ...{ version: '1', fleet: 'edge', host: 'lb1', status: undefined, polledAt: now, code: undefined },
});
const written = new Set([...`${figures}${agent}`.matchAll(/^# HELP (\S+)/gm)].map(([, name = '']) => name));

/** Words of queries and of names of alarms that are no metrics. */
const metricsIn = (text: string) => [...text.matchAll(/\bpemfleet_[a-z_]+/g)].map(([name]) => name);

for (const file of ['pemfleet.rules.yml', 'pemfleet.dashboard.json']) {
  test(`docs/monitoring/${file} asks for metrics that the programs write`, () => {
    const text = readFileSync(new URL(`../../../../docs/monitoring/${file}`, import.meta.url), 'utf8');
    const asked = new Set(metricsIn(text));

    assert.ok(asked.size > 10);
    assert.deepEqual(
      [...asked].filter((name) => !written.has(name)),
      [],
    );
  });
}

test('each level has an alarm in the rules', () => {
  const rules = readFileSync(
    new URL('../../../../docs/monitoring/pemfleet.rules.yml', import.meta.url),
    'utf8',
  );
  const snake = (level: string) => `pemfleet_${level.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase()}`;
  const withoutAlarm = LEVELS.filter((level) => !metricsIn(rules).includes(snake(level)));

  assert.deepEqual(withoutAlarm, []);
});
