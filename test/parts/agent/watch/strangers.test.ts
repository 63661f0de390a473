// A file of another program that holds one of our names: ours is proved anew as soon as it is there, and after each reload.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { polls } from '../../../support/agent/polls.ts';
import { makeStage } from '../../../support/agent/stage.ts';

for (const version of ['2.6', '3.2'] as const) {
  test(`${version}: a stranger's file with one of our names, before and after a reload`, async (t) => {
    const stage = await makeStage(t, { version, masterWorker: true });
    await stage.publish('shop', { names: ['shop.test'] });
    const other = await stage.pki.issue({ names: ['other.test'] });
    const stranger = await stage.pki.issue({ names: ['shop.test', 'www.test'] });
    const write = (name: string, { combined }: { combined: string }) =>
      writeFileSync(join(stage.haproxy.certsDir, name), combined);

    const made = await polls(stage, [
      () => write('aaa-other.pem', other),
      () => write('aaa.pem', stranger),
      () => undefined,
      () => stage.haproxy.reload(),
    ]);

    const isPass = made.map((logged) => logged.some(({ event }) => event === 'run.finished'));
    assert.deepEqual(isPass, [true, false, true, false, true]);
    const ended = made[2]?.find(({ event }) => event === 'run.finished');
    assert.equal(ended?.['served'], 1, 'still ours on the wire');
    const failed = made[4]?.find(({ event }) => event === 'certificate.failed');
    assert.deepEqual([failed?.file, failed?.code], ['shop.pem', 'ERR_HANDSHAKE_CERTIFICATE']);
    assert.match(failed?.message ?? '', /HAProxy has it as \S+\/aaa\.pem, which is not the agent's/);
  });
}
