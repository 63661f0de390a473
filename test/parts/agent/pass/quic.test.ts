// A QUIC bind beside a TCP bind (HAProxy 3.4): the agent proves the TCP bind, and a client that speaks QUIC the other one.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { programPath } from '../../../setup.mjs';
import { assertOk } from '../../../support/agent/assess.ts';
import { withQuic } from '../../../support/agent/configs.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { freePort } from '../../../support/ports.ts';

const run = promisify(execFile);

/** @returns the serial of the certificate that the QUIC bind hands out; it rejects where there is none */
async function serialByQuic(port: number, servername: string): Promise<string> {
  const args = ['-quic', '-alpn', 'h3', '-connect', `127.0.0.1:${port}`, '-servername', servername];
  const client = run(programPath('openssl'), ['s_client', ...args], {
    env: { OPENSSL_CONF: '/dev/null' },
    timeout: 10_000,
  });
  client.child.stdin?.end();
  const { stdout } = await client;
  return new X509Certificate(stdout).serialNumber;
}

test('3.4: the QUIC bind hands out what is renewed, added and removed at run time, without a reload', async (t) => {
  const port = await freePort();
  const stage = await makeStage(t, { version: '3.4', configText: withQuic(port) });
  const first = await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  const pid = await stage.haproxy.pid();
  assert.equal(await serialByQuic(port, 'shop.test'), serialOf(first));

  const renewed = await stage.publish('shop', { names: ['shop.test'] });
  const added = await stage.publish('new', { names: ['new.test'] });
  assertOk(await stage.pass());

  assert.equal(await serialByQuic(port, 'shop.test'), serialOf(renewed));
  assert.equal(await serialByQuic(port, 'new.test'), serialOf(added));
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(renewed));
  await stage.withdraw('new');
  assertOk(await stage.pass());
  await assert.rejects(serialByQuic(port, 'new.test'));
  assert.equal(await stage.haproxy.pid(), pid);
});
