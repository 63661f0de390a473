// What a bind hands out in the place of ours is named: the file that has it, the process that listens beside HAProxy.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertOk } from '../../../support/agent/assess.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { type Haproxy, startHaproxy } from '../../../support/parts/haproxy.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const version = '3.2';
/** A pass over everything. */
const ANEW = ['--retry', ''];

const serialOf = (pem: string) => new X509Certificate(pem).serialNumber;

async function fileOf(stage: Stage) {
  const [file] = (await stage.status()).files;
  assert.ok(file);
  return file;
}

/** A process of before that has survived: another HAProxy on the same port, with the certificates that it had. */
async function startOrphan(dir: string, { httpsPort }: Haproxy, pem: string): Promise<Haproxy> {
  mkdirSync(join(dir, 'old'));
  writeFileSync(join(dir, 'old', 'shop.pem'), pem);
  const configText = `global
  stats socket "\${PEMFLEET_SOCKET}" mode 600 level admin
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend f
  bind 127.0.0.1:${httpsPort} ssl crt "${join(dir, 'old')}" strict-sni
`;
  return startHaproxy({ version, configText, httpsPort });
}

test('another process on the same port: sometimes wrong, its pid is named, and one lucky handshake heals nothing', async (t) => {
  const stage = await makeStage(t, { version });
  const old = await stage.pki.issue({ names: ['shop.test'] });
  const orphan = await startOrphan(tempDir(t), stage.haproxy, old.combined);
  t.after(orphan.stop);
  // Half of the handshakes meet the right process.
  let file = undefined as Awaited<ReturnType<typeof fileOf>> | undefined;
  for (let round = 0; round < 30 && file?.state !== 'failed'; round += 1) {
    await stage.publish('shop', { names: ['shop.test'] });
    await stage.pass();
    file = await fileOf(stage);
  }
  const failed = file;
  const later = [];
  for (let round = 0; round < 3; round += 1) {
    await stage.pass(ANEW);
    later.push((await fileOf(stage)).state);
  }
  await orphan.stop();
  assertOk(await stage.pass(ANEW));

  const { wire, error } = failed ?? {};
  const { address, name, serial, wrong = 0, samples, listener } = wire ?? {};
  assert.deepEqual(
    [address, name, serial, samples],
    [`127.0.0.1:${stage.haproxy.httpsPort}`, 'shop.test', serialOf(old.leafPem), 20],
  );
  assert.ok(wrong > 0 && wrong < 20, `${wrong} of 20`);
  const pid = /pid (\d+) \(haproxy\)/.exec(listener ?? '')?.[1];
  assert.match(
    error?.message ?? '',
    new RegExp(
      `in ${wrong} of 20 handshakes; pid ${pid} \\(haproxy\\) listens there beside HAProxy: stop it`,
    ),
  );
  assert.notEqual(Number(pid), await stage.haproxy.pid());
  assert.deepEqual(later, ['failed', 'failed', 'failed']);
  assert.deepEqual([(await fileOf(stage)).state, (await fileOf(stage)).wire], ['served', undefined]);
});

test("a stranger's file in the directory: the wire shows it always, the file is named, the twenty handshakes are made once", async (t) => {
  const stage = await makeStage(t, { version });
  await stage.publish('shop', { names: ['shop.test'] });
  const foreign = await stage.pki.issue({ names: ['shop.test'] });
  const path = join(stage.haproxy.certsDir, 'aaa.pem');
  writeFileSync(path, foreign.combined);
  await stage.haproxy.restart();

  await stage.pass();
  const first = await fileOf(stage);
  const before = handshakesWith(stage);
  await stage.pass(ANEW);
  const second = await fileOf(stage);
  const again = handshakesWith(stage) - before;
  rmSync(path);
  await stage.haproxy.restart();
  assertOk(await stage.pass(ANEW));

  assert.deepEqual([first.state, first.error?.code], ['failed', 'ERR_HANDSHAKE_CERTIFICATE']);
  const { serial, file, wrong, samples, listener, issuer } = first.wire ?? {};
  assert.deepEqual(
    [serial, file, wrong, samples, listener],
    [serialOf(foreign.leafPem), path, 20, 20, undefined],
  );
  assert.match(issuer ?? '', /^CN=/);
  assert.match(
    first.error?.message ?? '',
    /HAProxy has it as .*aaa\.pem, which is not the agent's: take the name out of it/,
  );
  assert.deepEqual([second.wire, second.error], [first.wire, first.error]);
  assert.ok(again < 5, `${again} handshakes`);
  assert.deepEqual([(await fileOf(stage)).state, (await fileOf(stage)).wire], ['served', undefined]);
});

/** HAProxy logs each connection that says nothing. */
const handshakesWith = ({ haproxy }: Stage) => haproxy.log().split('<BADREQ>').length - 1;
