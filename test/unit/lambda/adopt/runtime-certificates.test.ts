// HAProxy's stats socket as adopt asks it: what is missing, cut off or of another form is no answer.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { HaproxySilent, RuntimeCertificates } from '../../../../lambda/adopt/haproxy/runtime-certificates.ts';
import { tempDir } from '../../../support/temp-dir.ts';

/** One answer for each connection; the last one stays. */
async function runtimeOf(t: TestContext, ...answers: string[]) {
  const socket = join(tempDir(t), 'admin.sock');
  const server = createServer({ allowHalfOpen: true }, (connection) => {
    connection.resume().end((answers.length > 1 ? answers.shift() : answers[0]) ?? '');
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => server.close());
  return new RuntimeCertificates(socket);
}

const LIST = '# filename\n/certs/a.pem\n\n';
const OF_A = 'Filename: /certs/a.pem\nStatus: Used\nSerial: 0A1B\n\n';

test('what HAProxy answers is taken: names, a serial number, a certificate that no bind has', async (t) => {
  const runtime = await runtimeOf(
    t,
    LIST,
    OF_A,
    'Filename: /certs/a.pem\nStatus: Unused\nSerial: 0A1B\n\n',
    'Unknown command: "dump"\n\n',
  );

  assert.deepEqual(await runtime.names(), ['/certs/a.pem']);
  assert.equal(await runtime.servedSerial('/certs/a.pem'), '0A1B');
  assert.equal(await runtime.servedSerial('/certs/a.pem'), undefined);
  assert.equal(await runtime.dump('/certs/a.pem'), undefined);
});

test('it does not answer, breaks off, or answers something else: an error that says what was wanted and seen', async (t) => {
  const nobody = new RuntimeCertificates(join(tempDir(t), 'admin.sock'));
  await assert.rejects(
    nobody.names(),
    /^HaproxySilent: wanted HAProxy's answer to "show ssl cert" at its stats socket \S+, saw .*ENOENT/,
  );
  for (const [says, answer, saw] of [
    ['nothing', '', /saw one that is cut off/],
    ['cut off in a line', '# filename\n/certs/a.p', /saw one that is cut off/],
    ['not allowed', 'Permission denied\n\n', /saw "Permission denied"/],
  ] as const) {
    const runtime = await runtimeOf(t, answer);
    await assert.rejects(runtime.names(), saw, says);
    await assert.rejects(runtime.servedSerial('/certs/a.pem'), HaproxySilent, says);
  }
});

test('it breaks off between two questions: the second one has no answer', async (t) => {
  const runtime = await runtimeOf(t, LIST, '');

  assert.deepEqual(await runtime.names(), ['/certs/a.pem']);
  await assert.rejects(runtime.servedSerial('/certs/a.pem'), /"show ssl cert \/certs\/a\.pem".*cut off/);
  await assert.rejects(runtime.dump('/certs/a.pem'), HaproxySilent);
});
