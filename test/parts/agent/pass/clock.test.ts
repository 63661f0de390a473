// A clock that was wrong once: what was recorded by it holds nothing up afterwards.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sync } from '../../../../agent/pass/sync.ts';
import { agentHere } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage } from '../../../support/agent/stage.ts';

const dayMs = 86_400_000;

for (const [says, offMs] of [
  ['ahead by a year', 365 * dayMs],
  ['behind by two days', -2 * dayMs],
] as const) {
  test(`the clock was ${says}: the first pass by the right one installs, proves and reports`, async (t) => {
    const stage = await makeStage(t, { version: '3.2' });
    const pem = await stage.publish('shop', { names: ['shop.test'] });
    let off = offMs;
    const events: string[] = [];
    const now = () => new Date(Date.now() + off);
    const agent = await agentHere(stage.flags, (event) => events.push(event), { now });

    const wrong = await sync(agent);
    assert.deepEqual(
      wrong.status.files.map(({ error }) => error?.code),
      ['ERR_PEM_VALIDITY'],
    );
    off = 0;
    const right = await sync(agent);

    assert.deepEqual(
      right.status.files.map(({ state }) => state),
      ['served'],
    );
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
    assert.ok(Date.parse((await stage.status()).files[0]?.since ?? '') <= Date.now());

    // The same while all is well: the heartbeat goes on.
    off = offMs;
    await sync(agent);
    off = 0;
    events.length = 0;
    const back = await sync(agent);
    assert.equal(events.includes('status.reported'), true, 'a report of the future counts as none');
    assert.ok(Date.parse(back.status.files[0]?.since ?? '') <= Date.now(), back.status.files[0]?.since);
    assert.ok((back.nextTryAt?.getTime() ?? 0) <= Date.now() + dayMs);
  });
}
