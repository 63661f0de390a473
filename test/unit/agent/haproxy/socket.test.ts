// What a real HAProxy cannot be made to do on command: answers cut short, late, or none.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { RuntimeCommandFailed } from '../../../../agent/errors.ts';
import { Runtime } from '../../../../agent/haproxy/runtime.ts';
import { openSocket } from '../../../../agent/haproxy/socket.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const secret = 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg';
const set = { verb: 'set ssl cert', operands: ['/c/a.pem'], payload: `${secret}\n` };

/** Long enough for a busy machine; what waits for its end gives a short one. */
const TIMEOUT_MS = 10_000;

async function fakeHaproxy(
  t: TestContext,
  answer: (socket: Socket, asked: string) => void,
  timeoutMs = TIMEOUT_MS,
) {
  const { path: folder, remove } = makeTempDir();
  const path = join(folder, 's');
  const asked: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (chunk) => {
      asked.push(chunk.toString());
      answer(socket, chunk.toString());
    });
  });
  server.listen(path);
  await once(server, 'listening');
  t.after(() => {
    server.close();
    remove();
  });
  return { asked, path, socket: openSocket({ path, timeoutMs }) };
}

async function failureOf(work: Promise<unknown>): Promise<RuntimeCommandFailed> {
  const error = await work.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RuntimeCommandFailed, String(error));
  for (const text of [error.message, error.stack, JSON.stringify(error), String(error.firstLine)]) {
    assert.ok(!text?.includes(secret.slice(0, 40)), text);
  }
  return error;
}

const badAnswers: [string, (socket: Socket) => void, string][] = [
  ['an empty answer', (socket) => socket.end(), 'ERR_RUNTIME_SHORT_ANSWER'],
  ['no answer', () => undefined, 'ERR_RUNTIME_TIMEOUT'],
  ['an answer cut in a line', (socket) => socket.end('\n[5]: Transaction crea'), 'ERR_RUNTIME_SHORT_ANSWER'],
  [
    'an answer without its empty line',
    (socket) => socket.end('\n[5]: Transaction created for certificate /c/a.pem!\n'),
    'ERR_RUNTIME_SHORT_ANSWER',
  ],
  ['an answer that begins and hangs', (socket) => socket.write('\n[5]: Trans'), 'ERR_RUNTIME_TIMEOUT'],
  [
    'an unknown command, with the key echoed',
    (socket) => socket.end(`\n[6]: Unknown command: '${secret}', but maybe\n\n`),
    'ERR_RUNTIME_UNSUPPORTED',
  ],
  [
    'a socket of level operator',
    (socket) => socket.end('\n[3]: Permission denied\n\n'),
    'ERR_RUNTIME_NOT_ADMIN',
  ],
];

for (const [says, answer, code] of badAnswers) {
  test(`${says} is ${code}`, async (t) => {
    const { socket } = await fakeHaproxy(t, answer, code === 'ERR_RUNTIME_TIMEOUT' ? 300 : TIMEOUT_MS);

    const error = await failureOf(socket(set));

    assert.equal(error.code, code);
    assert.deepEqual([error.verb, error.filename], ['set ssl cert', '/c/a.pem']);
  });
}

test('one command line, the payload after it, an empty line at the end; severity in numbers', async (t) => {
  const { socket, asked } = await fakeHaproxy(t, (peer) => peer.end('\n[5]: done\n\n'));

  const answer = await socket({ verb: 'set ssl cert', operands: ['/c d/a.pem'], payload: 'PEM\n' });

  assert.deepEqual(asked, ['set severity-output number;set ssl cert /c\\ d/a.pem <<\nPEM\n\n']);
  assert.deepEqual(answer, { text: 'done', severity: 5, next: [] });
});

test('a command that is too long is not sent', async (t) => {
  const { socket, asked } = await fakeHaproxy(t, (peer) => peer.end('\n\n'));

  const error = await failureOf(socket({ ...set, maxBytes: 60 }));

  assert.equal(error.code, 'ERR_RUNTIME_PAYLOAD_SIZE');
  assert.match(error.message, /102 bytes .*HAProxy takes 60.*tune\.bufsize/);
  assert.deepEqual(asked, []);
});

test('no socket, no listener, no socket at all: each has its code and says what to do', async () => {
  const { path: folder } = makeTempDir();
  const file = join(folder, 'file');
  writeFileSync(file, '');

  const missing = await failureOf(openSocket({ path: join(folder, 'x'), timeoutMs: TIMEOUT_MS })(set));
  const dead = await failureOf(openSocket({ path: file, timeoutMs: TIMEOUT_MS })(set));

  assert.equal(missing.code, 'ERR_RUNTIME_SOCKET_MISSING');
  assert.match(missing.message, /is HAProxy running, with this "stats socket"\?/);
  assert.equal(dead.code, 'ERR_RUNTIME_SOCKET_REFUSED');
});

/** As `nobody` where the tests run as root, for whom no mode closes a socket. */
function asNobody<T>(work: () => T): T {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(65_534);
  try {
    return work();
  } finally {
    process.seteuid?.(0);
  }
}

test('ERR_RUNTIME_SOCKET_DENIED: a socket that is closed to the user says what its "stats socket" line lacks', async (t) => {
  const { path, asked } = await fakeHaproxy(t, (peer) => peer.end('\n\n'));
  chmodSync(dirname(path), 0o755);
  chmodSync(path, 0);

  // connect(2) is called at once, and the user counts then.
  const error = await asNobody(() => failureOf(openSocket({ path, timeoutMs: TIMEOUT_MS })(set)));

  assert.equal(error.code, 'ERR_RUNTIME_SOCKET_DENIED');
  assert.match(error.message, /closed to this user: add "user", "group" and "mode 660"/);
  assert.deepEqual(asked, []);
});

test('ERR_RUNTIME_SOCKET_IO: what else connect(2) answers is said by its name', async () => {
  const { path: folder } = makeTempDir();
  symlinkSync('s', join(folder, 's'));

  const error = await failureOf(openSocket({ path: join(folder, 's'), timeoutMs: TIMEOUT_MS })(set));

  assert.equal(error.code, 'ERR_RUNTIME_SOCKET_IO');
  assert.match(error.message, /failed with ELOOP/);
});

test('"currently locked" is asked again, a bounded number of times', async (t) => {
  const locked = "\n[3]: Can't update the certificate!\nOperations on certificates are currently locked!\n\n";
  let answers = 0;
  const { socket } = await fakeHaproxy(t, (peer) => {
    answers += 1;
    peer.end(answers < 4 ? locked : '\n[5]: Transaction created for certificate /c/a.pem!\n\n');
  });
  const waits: number[] = [];
  const sleep = async (ms: number) => void waits.push(ms);

  await new Runtime(socket, sleep).setCertificate('/c/a.pem', 'PEM\n', 1000);

  assert.deepEqual(waits, [5, 10, 20]);

  answers = Number.NEGATIVE_INFINITY;
  const error = await failureOf(new Runtime(socket, sleep).setCertificate('/c/a.pem', 'PEM\n', 1000));

  assert.equal(error.code, 'ERR_RUNTIME_LOCKED');
  assert.ok(waits.reduce((sum, ms) => sum + ms, 0) < 15_000);
});

const wordsThatAreNoSuccess: [string, string, (runtime: Runtime) => Promise<unknown>, string][] = [
  [
    'set: another file was created',
    '[5]: Transaction created for certificate /c/b.pem!',
    (r) => r.setCertificate('/c/a.pem', 'P\n', 999),
    'ERR_RUNTIME_REFUSED',
  ],
  [
    'commit: Success! is not the last line',
    'Committing /c/a.pem.\nSuccess!\nFailed!',
    (r) => r.commitCertificate('/c/a.pem'),
    'ERR_RUNTIME_REFUSED',
  ],
  ['commit: garbage', 'hello', (r) => r.commitCertificate('/c/a.pem'), 'ERR_RUNTIME_REFUSED'],
  [
    'show ssl cert: of another file',
    'Filename: /c/b.pem\nStatus: Used',
    (r) => r.showCertificate('/c/a.pem'),
    'ERR_RUNTIME_ANSWER',
  ],
  ['show info: without Pid', 'Name: HAProxy\nVersion: 3.0', (r) => r.showInfo(), 'ERR_RUNTIME_ANSWER'],
  ['new: garbage', '[5]: hello', (r) => r.newCertificate('/c/a.pem'), 'ERR_RUNTIME_REFUSED'],
  ['del: garbage', '[5]: hello', (r) => r.deleteCertificate('/c/a.pem'), 'ERR_RUNTIME_REFUSED'],
];

for (const [says, text, ask, code] of wordsThatAreNoSuccess) {
  test(`only the exact word is a success: ${says}`, async (t) => {
    const { socket } = await fakeHaproxy(t, (peer) => peer.end(`\n${text}\n\n`));

    const error = await failureOf(ask(new Runtime(socket, async () => undefined)));

    assert.equal(error.code, code);
  });
}

test('names in a crt-list: NUL bytes after options are dropped, filters and headings too', async (t) => {
  const text = '# /c/list\n/c/a.pem:2 [alpn h2\0] a.test\n/c/b.pem\n/c d/e.pem:4';
  const { socket } = await fakeHaproxy(t, (peer) => peer.end(`\n${text}\n\n`));

  const names = await new Runtime(socket, async () => undefined).showCrtList('/c/list');

  assert.ok(['/c/a.pem', '/c/b.pem', '/c d/e.pem'].every((name) => names.has(name)));
});
