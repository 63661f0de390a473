import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Agent, LeftHost } from '../../../../agent/agent.ts';
import { HostWatch } from '../../../../agent/watch/watch.ts';
import { tempDir } from '../../../support/temp-dir.ts';

/** A HAProxy whose crt-list file has these lines, and none of our files. */
function stage(t: TestContext, lines: (directory: string) => string[]) {
  const directory = tempDir(t);
  const certsDir = join(directory, 'certs');
  mkdirSync(certsDir);
  const path = join(directory, 'crt-list.txt');
  writeFileSync(path, `${lines(directory).join('\n')}\n`);
  const events: string[] = [];
  const agent = {
    config: { pollIntervalMs: 60_000, watch: { lookWithinMs: 60_000 } },
    log: (event: string, fields: { code?: string }) => void events.push(`${event} ${fields.code}`),
  } as unknown as Agent;
  const left = {
    view: { config: { haproxy: { certsDir }, pem: {} }, crtListFile: { path, certsDir }, disk: new Map() },
    outcomes: [],
  } as unknown as LeftHost;
  return { directory, watch: new HostWatch(agent), left, events };
}

test('a file of another program that this user cannot reach is no reason to look at none', async (t) => {
  // As a directory that this user may not enter, also for root: a link that leads to itself.
  const { directory, watch, left, events } = stage(t, (at) => [join(at, 'closed', 'other.pem')]);
  symlinkSync('closed', join(directory, 'closed'));

  await watch.reset([left]);

  assert.equal((await watch.look(true)).size, 0);
  assert.equal((await watch.look(false)).size, 0);
  assert.deepEqual(events, []);
});

test('a look that fails, whatever the reason, calls for a pass', async (t) => {
  const { watch, left, events } = stage(t, () => []);
  await watch.reset([left]);
  const broken = { version: '3.2.0' };
  Object.assign(left.view, {
    haproxy: { process: broken, files: new Map() },
    runtime: {
      showSni: async () => {
        throw Object.assign(new Error('no memory'), { code: 'ENOMEM' });
      },
    },
  });

  for (const isIdle of [true, false]) {
    assert.deepEqual([...(await watch.look(isIdle))], [['', new Set()]]);
  }
  assert.deepEqual(events, ['watch.failed ENOMEM', 'watch.failed ENOMEM']);
});
