// What is on the wire is not what it was: found by the next poll after a reload, or by the next handshake between two polls.
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { HostStatus } from '#contract/host-status.ts';
import { whileProving } from '../../../support/agent/proving.ts';
import { makeStage, stageOn } from '../../../support/agent/stage.ts';
import { startHaproxy } from '../../../support/parts/haproxy.ts';
import { freePort } from '../../../support/ports.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const MINUTE_MS = 60_000;
const statesIn = (status: HostStatus | undefined) =>
  status?.files.map(({ file, state, error }) => [file, state, error?.code ?? '']);

test("a stranger's file with one of our names + reload: named by the next poll", async (t) => {
  const stage = await makeStage(t, { version: '3.2', masterWorker: true });
  await stage.publish('other', { names: ['other.test'] });
  await stage.publish('shop', { names: ['shop.test', 'www.shop.test'] });
  const stranger = await stage.pki.issue({ names: ['www.shop.test'] });
  const states: unknown[] = [];

  const { events } = await whileProving(stage, [
    async ({ status }) => {
      states.push(statesIn(status));
      writeFileSync(join(stage.haproxy.certsDir, 'aaa.pem'), stranger.combined);
      await stage.haproxy.reload();
    },
    ({ status }) => states.push(statesIn(status)),
  ]);

  assert.deepEqual(states, [
    [
      ['other.pem', 'served', ''],
      ['shop.pem', 'served', ''],
    ],
    [
      ['other.pem', 'served', ''],
      ['shop.pem', 'failed', 'ERR_HANDSHAKE_CERTIFICATE'],
    ],
  ]);
  assert.equal(events.filter((event) => event === 'certificate.failed').length, 1);
});

test('a bind turned to another directory + reload, while another bind loads ours: named by the next poll', async (t) => {
  const place = makeTempDir();
  const [certs, linked, foreign] = ['certs', 'linked', 'foreign'].map((name) => join(place.path, name)) as [
    string,
    string,
    string,
  ];
  const second = await freePort();
  mkdirSync(foreign);
  symlinkSync(certs, linked);
  const haproxy = await startHaproxy({
    version: '3.2',
    masterWorker: true,
    workDir: place.path,
    configText: `global
  stats socket "\${PEMFLEET_SOCKET}" mode 600 level admin
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend https
  bind "\${PEMFLEET_HTTPS_BIND}" ssl crt "${certs}" strict-sni
  bind 127.0.0.1:${second} ssl crt "${linked}" strict-sni
  http-request return status 200
`,
  });
  t.after(async () => {
    await haproxy.stop();
    place.remove();
  });
  const stage = await stageOn(haproxy, join(place.path, 'stage'));
  await stage.publish('shop', { names: ['shop.test'] });
  const stranger = await stage.pki.issue({ names: ['shop.test'] });
  writeFileSync(join(foreign, 'x.pem'), stranger.combined);
  const states: unknown[] = [];
  const addresses = [haproxy.httpsPort, second].map((port) => `127.0.0.1:${port}`);

  await whileProving(
    stage,
    [
      async ({ status }) => {
        states.push(statesIn(status));
        symlinkSync(foreign, `${linked}-new`);
        renameSync(`${linked}-new`, linked);
        await stage.haproxy.reload();
      },
      ({ status }) => states.push(statesIn(status)),
    ],
    ['--handshake', addresses.join()],
  );

  assert.deepEqual(states, [
    [['shop.pem', 'served', '']],
    [['shop.pem', 'failed', 'ERR_HANDSHAKE_CERTIFICATE']],
  ]);
});

test('another certificate set through the Runtime API is seen by a handshake between polls, which asks for a pass', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const foreign = await stage.pki.issue({ names: ['shop.test'] });
  const path = join(stage.haproxy.certsDir, 'shop.pem');

  const { status, events } = await whileProving(stage, [
    async (proving) => {
      await stage.haproxy.command(`set ssl cert ${path} <<\n${foreign.combined}\n`);
      await stage.haproxy.command(`commit ssl cert ${path}`);
      await proving.proveFor(5 * MINUTE_MS);
      assert.equal(proving.isPollWanted(), false, 'its turn comes within ten minutes');
      await proving.proveFor(5 * MINUTE_MS);
      assert.equal(proving.isPollWanted(), true);
    },
  ]);

  assert.deepEqual(statesIn(status), [['shop.pem', 'served', '']]);
  assert.equal(events.filter((event) => event === 'certificate.loaded').length, 2, 'repaired');
});
