// After a pass: who is told, and what becomes of a call that fails.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FleetName, fleetName } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import type { CommandResult, Notifier } from '../../lambda/notify.ts';
import { tellFleets } from '../../lambda/tell-fleets.ts';
import { after, noon, recordEvents } from './support.ts';

const [web, mail, edge] = (['web', 'mail', 'edge'] as const).map((name) => fleetName.parse(name)) as [
  FleetName,
  FleetName,
  FleetName,
];
const manifests = new Map(
  [web, mail, edge].map((fleet) => [fleet, { manifest: emptyManifest(fleet, noon), etag: `"${fleet}-1"` }]),
);

interface Told extends Notifier {
  sent: [FleetName, string][];
  since: Date[];
}

function notifierOf(changes: Partial<Notifier> = {}): Told {
  const sent: [FleetName, string][] = [];
  const since: Date[] = [];
  return {
    ...{ sent, since },
    notify: async (fleet, manifest) => {
      sent.push([fleet, manifest]);
      return `command-${fleet}`;
    },
    results: async (from) => {
      since.push(from);
      return [];
    },
    ...changes,
  };
}

test('each fleet that was given something new is told by the ETag of its manifest, and no other', async () => {
  const notifier = notifierOf();
  const events = recordEvents();

  const failed = await tellFleets(notifier, { manifests, changed: [web, edge] }, events.log, noon);

  assert.equal(failed, 0);
  assert.deepEqual(notifier.sent, [
    [web, '"web-1"'],
    [edge, '"edge-1"'],
  ]);
  assert.deepEqual(events.fieldsOf('fleet.notified'), [
    { fleet: web, manifest: '"web-1"', command: 'command-web' },
    { fleet: edge, manifest: '"edge-1"', command: 'command-edge' },
  ]);
});

test('a pass that changed nothing tells nobody, and asks what became of the calls of two hours', async () => {
  const result: CommandResult = {
    ...{ command: 'c1', fleet: 'web', status: 'Failed', targets: 3, errors: 1, timedOut: 0 },
  };
  const since: Date[] = [];
  const results = async (from: Date) => {
    since.push(from);
    return [result];
  };
  const events = recordEvents();

  const notifier = notifierOf({ results });
  const failed = await tellFleets(notifier, { manifests, changed: [] }, events.log, noon);

  assert.equal(failed, 0);
  assert.deepEqual(notifier.sent, []);
  assert.deepEqual(since, [after(noon, -2 * 3_600_000)]);
  assert.deepEqual(events.fieldsOf('notify.result'), [result]);
});

test('a fleet that cannot be told is counted and told to people; the others hear of theirs', async () => {
  const refused = Object.assign(new Error('not authorized'), { code: 'ERR_TEST' });
  const notify = async (fleet: FleetName) => (fleet === mail ? Promise.reject(refused) : `command-${fleet}`);
  const events = recordEvents();

  const changed = [web, mail, edge];
  const failed = await tellFleets(notifierOf({ notify }), { manifests, changed }, events.log, noon);

  assert.equal(failed, 1);
  assert.deepEqual(
    events.fieldsOf('fleet.notified').map(({ fleet }) => fleet),
    [web, edge],
  );
  assert.deepEqual(events.fieldsOf('notify.failed'), [{ code: 'ERR_TEST', error: 'not authorized' }]);
});

test('results that cannot be had are one failure, and fail nothing else', async () => {
  const results = () => Promise.reject(new Error('Rate exceeded'));
  const events = recordEvents();

  const notifier = notifierOf({ results });
  const failed = await tellFleets(notifier, { manifests, changed: [web] }, events.log, noon);

  assert.equal(failed, 1);
  assert.equal(events.fieldsOf('fleet.notified').length, 1);
  assert.equal(events.fieldsOf('notify.failed')[0]?.['error'], 'Rate exceeded');
});
