// After a pass: which fleets are nudged, what a failed call does, and that the log says once what came of each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import { type FleetName, fleetName } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import type { FailedCall, OpenCall } from '../../../../lambda/fleet/hosts.ts';
import { notifyFleets } from '../../../../lambda/fleet/notify.ts';
import type { CommandResult, FleetNotifier } from '../../../../lambda/fleet/run-command.ts';
import { after, noon } from '../../../support/clock.ts';
import { recordEvents } from '../../../support/issuer/events.ts';

const [web, mail, edge] = (['web', 'mail', 'edge'] as const).map((name) => fleetName.parse(name)) as [
  FleetName,
  FleetName,
  FleetName,
];
const manifests = new Map(
  [web, mail, edge].map((fleet) => [fleet, { manifest: emptyManifest(fleet, noon), etag: `"${fleet}-1"` }]),
);

/** Passes one after another; what is open after one is known to the next. */
function passes(changes: Partial<FleetNotifier> = {}) {
  const events = recordEvents();
  let open: OpenCall[] = [];
  let failed: FailedCall[] = [];
  const asked: string[] = [];
  const sent: [FleetName, string][] = [];
  const notifier: FleetNotifier = {
    notify: async (fleet, manifest) => {
      sent.push([fleet, manifest]);
      return `command-${fleet}`;
    },
    result: async (command) => {
      asked.push(command);
      return undefined;
    },
    ...changes,
  };
  return {
    events,
    asked,
    sent,
    open: () => open,
    pass: async (changed: FleetName[], minutes = 0) => {
      const now = after(noon, minutes * MINUTE_MS);
      const earlier = { calls: open, failedCalls: failed };
      const result = await notifyFleets({ notifier, log: events.log, now }, earlier, { manifests, changed });
      [open, failed] = [result.calls, result.failedCalls];
      return failed.length + result.failedChecks.length;
    },
  };
}

const resultOf = (changes: Partial<CommandResult> = {}): CommandResult => ({
  status: 'Failed',
  hasEnded: true,
  targets: 3,
  errors: 1,
  timedOut: 0,
  ...changes,
});

test('each fleet that was given something new is notified with the ETag of its manifest, and no other', async () => {
  const { pass, sent, events } = passes();

  assert.equal(await pass([web, edge]), 0);

  assert.deepEqual(sent, [
    [web, '"web-1"'],
    [edge, '"edge-1"'],
  ]);
  assert.deepEqual(events.fieldsOf('fleet.notified'), [
    { fleet: web, manifest: '"web-1"', command: 'command-web' },
    { fleet: edge, manifest: '"edge-1"', command: 'command-edge' },
  ]);
});

test('a pass that changed nothing, after which nothing is open, asks Systems Manager nothing', async () => {
  const { pass, sent, asked } = passes();

  assert.equal(await pass([]), 0);

  assert.deepEqual([sent, asked], [[], []]);
});

test('what came of a call is logged once, when it is over', async () => {
  const results = [resultOf({ status: 'InProgress', hasEnded: false }), resultOf()];
  const { pass, events } = passes({ result: async () => results.shift() });
  await pass([web]);
  await pass([], 15);
  assert.deepEqual(events.fieldsOf('notify.result'), []);

  await pass([], 30);
  await pass([], 45);

  assert.deepEqual(events.fieldsOf('notify.result'), [
    { command: 'command-web', fleet: web, status: 'Failed', targets: 3, errors: 1, timedOut: 0 },
  ]);
});

test('a call that never ends is logged as it stands after two hours, and dropped', async () => {
  const running = resultOf({ status: 'InProgress', hasEnded: false });
  const { pass, events, open: calls } = passes({ result: async () => running });
  await pass([web]);

  for (const minutes of [60, 120, 121, 180]) await pass([], minutes);

  assert.deepEqual(
    events.fieldsOf('notify.result').map(({ status }) => status),
    ['InProgress'],
  );
  assert.deepEqual(calls(), []);
});

test('a call that Systems Manager does not know is checked again, and logged as unknown in the end', async () => {
  const { pass, asked, events } = passes();
  await pass([web]);

  for (const minutes of [15, 121, 180]) await pass([], minutes);

  assert.equal(asked.length, 2);
  assert.deepEqual(
    events.fieldsOf('notify.result').map(({ status }) => status),
    ['Unknown'],
  );
});

test('a fleet that cannot be notified is counted and logged; the others are notified', async () => {
  const refused = Object.assign(new Error('not authorized'), { code: 'ERR_TEST' });
  const notify = async (fleet: FleetName) => (fleet === mail ? Promise.reject(refused) : `command-${fleet}`);
  const { pass, events } = passes({ notify });

  assert.equal(await pass([web, mail, edge]), 1);

  assert.deepEqual(
    events.fieldsOf('fleet.notified').map(({ fleet }) => fleet),
    [web, edge],
  );
  assert.deepEqual(events.fieldsOf('notify.failed'), [{ code: 'ERR_TEST', error: 'not authorized' }]);
});

test('a check that fails is a failure of that pass, and is repeated for two hours', async () => {
  let asked = 0;
  const result = async () => {
    asked += 1;
    throw new Error('Rate exceeded');
  };
  const { pass, events } = passes({ result });
  await pass([web]);

  assert.deepEqual([await pass([], 60), await pass([], 121), await pass([], 180)], [1, 1, 0]);

  assert.equal(asked, 2);
  assert.equal(events.fieldsOf('notify.failed')[0]?.['error'], 'Rate exceeded');
});
