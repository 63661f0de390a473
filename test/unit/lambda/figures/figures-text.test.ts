import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fleetName } from '#contract/layout.ts';
import { figuresText, finishedAtIn } from '../../../../lambda/figures/figures-text.ts';
import { metricsOf } from '../../../../lambda/figures/metrics.ts';

const at = new Date('2026-11-27T12:00:00Z');
const failedCalls = ['a', 'b'].map((name) => ({
  ...{ fleet: fleetName.parse(name), code: 'ERR_TEST', since: at },
}));
const facts = {
  ...{ outcomes: [], failing: [], missing: [], unconfigured: [], fleets: [], failedCalls, now: at },
};
const published = [
  {
    fleet: 'a',
    certificate: 'a.test',
    notBefore: new Date('2026-11-01T00:00:00Z'),
    notAfter: new Date('2026-12-07T12:00:00Z'),
  },
];

test('figures have the names and units of Prometheus', () => {
  const text = figuresText(metricsOf({ ...facts, published }), at, at);

  assert.match(text, /^pemfleet_notify_failed 2$/m);
  assert.match(text, /^# TYPE pemfleet_hosts_behind gauge$/m);
  assert.match(text, /^pemfleet_earliest_expiry_seconds 864000$/m);
  assert.match(text, /^pemfleet_last_pass_timestamp_seconds 1795780800$/m);
  assert.doesNotMatch(text, /run_finished/);
});

test('a pass that was stopped keeps the time of the one before that came to its end', () => {
  const before = figuresText(metricsOf({ ...facts, published }), at, at);
  const later = new Date('2026-11-27T12:30:00Z');

  const stopped = figuresText(
    metricsOf({ ...facts, published, isComplete: false }),
    later,
    finishedAtIn(before),
  );

  assert.match(stopped, /^pemfleet_last_pass_timestamp_seconds 1795782600$/m);
  assert.match(stopped, /^pemfleet_last_finished_pass_timestamp_seconds 1795780800$/m);
});
