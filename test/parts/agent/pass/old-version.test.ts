// HAProxy below 2.6, which suites of Debian drop: a socket speaks for it (with bullseye's 2.2.9 it was tried by hand).
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stageOn } from '../../../support/agent/stage.ts';
import type { Haproxy } from '../../../support/parts/haproxy.ts';
import { tempDir } from '../../../support/temp-dir.ts';

async function makeOld(t: TestContext, version: string) {
  const dir = tempDir(t);
  const [socket, certsDir] = [join(dir, 'admin.sock'), join(dir, 'certs')];
  mkdirSync(certsDir);
  const commands: string[] = [];
  const server = createServer({ allowHalfOpen: true }, (peer) => {
    peer.once('data', (data) => {
      const command = data.toString().trim().split(';').at(-1) ?? '';
      commands.push(command);
      const isInfo = command === 'show info';
      peer.end(isInfo ? `\nName: HAProxy\nVersion: ${version}\nPid: 7\nStopping: 0\n\n` : '\n\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => server.close());
  const stage = await stageOn({ socket, certsDir, httpsPort: 1 } as Haproxy, dir);
  return { stage, commands };
}

for (const version of ['2.4.9', '2.2.9-2+deb11u6', '2.5-dev12', '1.8.19']) {
  test(`HAProxy ${version}: refused with the reason, and nothing is written or deleted`, async (t) => {
    const { stage, commands } = await makeOld(t, version);
    await stage.publish('shop', { names: ['shop.test'] });
    const { certsDir } = stage.haproxy;
    // what a killed agent leaves, which a pass would sweep or replace
    const left = { 'shop.pem': 'old', '.shop.pem.pemfleet-previous': 'older', '.pemfleet-1.tmp': 'half' };
    for (const [name, text] of Object.entries(left)) writeFileSync(join(certsDir, name), text);

    const pass = await stage.pass();
    const preview = await stage.pass(['--dry-run']);
    const doctor = await stage.agent('doctor');

    for (const { code, stderr } of [pass, preview]) {
      assert.equal(code, 1, stderr);
      assert.match(stderr, /ERR_RUNTIME_VERSION.*is too old, the agent needs 2\.6 or later: older ones/);
    }
    assert.match(doctor.stdout, /haproxy-too-old.*is too old, the agent needs 2\.6 or later/s);
    assert.equal((await stage.status()).error?.code, 'ERR_RUNTIME_VERSION');
    const kept = stage.files().map((name) => [name, readFileSync(join(certsDir, name), 'utf8')]);
    assert.deepEqual(Object.fromEntries(kept), left);
    assert.deepEqual(
      commands.filter((command) => !/^(show |acme status$)/.test(command)),
      [],
    );
  });
}
