// `pemfleet notify` as its unit starts it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBucket } from '#storage/open.ts';
import { EMPTY_MEMORY, readMemory, saveMemory } from '../../../../lambda/notification/memory.ts';
import { called } from '../../../support/issuer/operator.ts';
import { sampleNotices } from '../../../support/notification/samples.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('a receiver that hangs keeps no pass from its lock', async (t) => {
  const directory = tempDir(t);
  const bucket = await openBucket(`file://${directory}/bucket`);
  const [[, notice] = []] = await sampleNotices();
  assert.ok(notice);
  const waiting = {
    ...EMPTY_MEMORY,
    pending: [{ notice: { ...notice, at: new Date().toISOString() }, channels: ['chat'], attempts: 1 }],
  };
  await saveMemory(bucket, waiting, await readMemory(bucket));
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  const asked = once(server, 'request');
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const config = join(directory, 'pemfleet.yaml');
  const settings = {
    ...{
      bucket: bucket.url,
      acme: { directoryUrl: 'https://ca.test/directory', termsOfServiceAgreed: true },
    },
    certificates: [{ identifiers: ['a.test'], fleets: ['edge'] }],
    notify: { channels: { chat: { webhook: { url }, timeoutSeconds: 5 } } },
  };
  writeFileSync(config, JSON.stringify(settings));
  const ended = called(t, ['notify', '--config', config, '--timeout', '60']);

  await Promise.race([asked, ended.then(({ status, stderr }) => assert.fail(`${status} ${stderr}`))]);
  const isFree = await bucket.exclusively('pass', 1000, async () => true);

  assert.equal(isFree, true);
  const { status, stdout } = await ended;
  assert.equal(status, 1, 'it waits for the next pass');
  assert.match(stdout, /^waits for chat: /m);
});
