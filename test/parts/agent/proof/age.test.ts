// Proofs have an age: renewed at the pace, made again at once by an agent that is started anew, another worker's after a reload.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Proving, whileProving } from '../../../support/agent/proving.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { freePort } from '../../../support/ports.ts';

const MINUTE_MS = 60_000;

test('renewed within ten minutes, evenly, without a word; made again, without a word, by the first pass after a restart of the agent; due with another worker', async (t) => {
  const stage = await makeStage(t, { version: '3.2', masterWorker: true });
  const names = Array.from({ length: 10 }, (_, index) => `n${index}`);
  await stage.publishAll(names);
  interface Saved {
    files: Record<string, { attempt: { at: string } }>;
  }
  const saved = () => JSON.parse(readFileSync(join(stage.stateDir, 'proofs.json'), 'utf8')) as Saved;

  const first = await whileProving(stage, [
    async (proving) => {
      const begin = proving.clock.now.getTime();
      proving.events.length = 0;

      const pauses = await proving.proveFor(10 * MINUTE_MS);

      const times = [...proving.proofs.proofs.files.values()].map(({ attempt }) => attempt.at);
      assert.ok(Math.min(...times) > begin, 'each has had its turn');
      assert.ok(pauses.length >= 10 && pauses.length <= 12, String(pauses.length));
      assert.deepEqual(new Set(pauses), new Set([57_000]));
      assert.deepEqual(proving.events, []);
    },
    // The full pass of ten minutes later makes no handshake of its own.
    (proving) => assert.ok(!proving.events.includes('certificate.proven')),
  ]);
  assert.equal(first.status?.proofs?.spanMs, 600_000);
  assert.equal(first.status?.proofs?.unproven, 0);
  const before = saved();
  assert.equal(Object.keys(before.files).length, 10);

  const steps = [
    async ({ proofs, events, clock }: Proving) => {
      const restarted = [...proofs.proofs.files].map(([file, { attempt }]) => [file, attempt.at]);
      const begin = clock.now.getTime();
      assert.deepEqual(
        restarted.toSorted(),
        Object.keys(before.files)
          .sort()
          .map((file) => [file, begin]),
      );
      assert.ok(!events.includes('certificate.proven'));
      await stage.haproxy.reload();
    },
    async ({ proofs }: Proving) => {
      const pid = await stage.haproxy.pid();
      const pids = new Set([...proofs.proofs.files.values()].map(({ attempt }) => attempt.pid));
      assert.deepEqual(pids, new Set([pid]), 'a few are proved by the pass after the reload');
    },
  ];
  await whileProving(stage, steps, [], first.clock.now);
});

test('an address that does not answer: one condition, its certificates served and unproven, with the last proof', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publishAll(['a', 'b', 'c']);
  const dead = `127.0.0.1:${await freePort()}`;
  const alive = `127.0.0.1:${stage.haproxy.httpsPort}`;

  const { status, events } = await whileProving(stage, [], ['--handshake', `${alive},${dead}`]);

  assert.deepEqual(
    status?.conditions?.map(({ condition, message }) => [condition, message.split(' ')[0]]),
    [['bind-unreachable', `${dead}:`]],
  );
  assert.deepEqual(
    status?.files.map(({ state, handshakes, unproven }) => [state, handshakes, unproven?.reason]),
    ['a', 'b', 'c'].map(() => ['served', [alive], 'unreachable']),
  );
  assert.equal(status?.proofs?.unproven, 3);
  assert.equal(events.filter((event) => event === 'host.condition').length, 1);
});
