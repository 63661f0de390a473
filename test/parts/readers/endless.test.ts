// Each reader fed a stream that never ends, and a silence that never ends: it gives up by its own bound, and memory stays small.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type Server as HttpServer, type ServerResponse } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { readBody } from '#common/bounded-body.ts';
import { MAX_FOREIGN_BYTES } from '#contract/limits.ts';
import { readRegularFile, readRegularFileSync } from '#storage/atomic-file.ts';
import { sdkCredentials } from '#storage/metadata/sdk-credentials.ts';
import { credentialsOf, regionOf } from '#storage/s3-credentials.ts';
import { loadAgentConfig } from '../../../agent/config/config.ts';
import { readPlainFile } from '../../../agent/deploy/disk.ts';
import { readConfigLines } from '../../../agent/haproxy/config-files.ts';
import { runProgram } from '../../../agent/haproxy/program.ts';
import { openSocket } from '../../../agent/haproxy/socket.ts';
import { parseConfig } from '../../../lambda/config/yaml.ts';
import { fetchAnswer } from '../../../lambda/preflight/fetch-answer.ts';
import { loadConfigFile } from '../../../lambda/wiring.ts';
import { setEnv } from '../../support/env.ts';
import { tempDir } from '../../support/temp-dir.ts';

const CHUNK = Buffer.alloc(65_536, 'x');

async function listen(t: TestContext, server: Server | HttpServer, at: string | number): Promise<void> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => open.add(socket.on('error', () => undefined)));
  server.listen(at as number, ...(typeof at === 'number' ? ['127.0.0.1' as never] : []));
  await once(server, 'listening');
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
}

/** Sends for ever, as fast as it is taken. */
function flood(socket: NodeJS.WritableStream): void {
  Readable.from(
    (function* () {
      for (;;) yield CHUNK;
    })(),
  )
    .on('error', () => undefined)
    .pipe(socket);
}

test("HAProxy's socket", async (t) => {
  const path = join(tempDir(t), 'stats.sock');
  const behaviours = [flood, () => undefined];
  await listen(
    t,
    createServer((socket) => behaviours.shift()?.(socket)),
    path,
  );

  const ask = (timeoutMs: number) => openSocket({ path, timeoutMs })({ verb: 'show info' });
  await assert.rejects(ask(20_000), { code: 'ERR_RUNTIME_SHORT_ANSWER', message: /no end of the answer/ });
  await assert.rejects(ask(50), { code: 'ERR_RUNTIME_TIMEOUT' });
});

test('a program of the operator', async () => {
  const loud = await runProgram(['yes'], 150);
  const silent = await runProgram(['sleep', '60'], 50);

  assert.deepEqual([loud.status, silent.status], ['late', 'late']);
  assert.ok(loud.output.length <= 2 * 65_536, `${loud.output.length}`);
});

test('an answer to a challenge', async (t) => {
  const server = createHttp((_, response) => flood(response));
  await listen(t, server, 0);
  const { port } = server.address() as { port: number };

  const answer = await fetchAnswer({ address: '127.0.0.1', port, name: 'a.test', token: 'x' });
  assert.match(JSON.stringify(answer), /EFBIG/);
});

for (const source of ['instance', 'container']) {
  test(`credentials of ${source === 'instance' ? 'an instance, and its region' : 'a container'}: an answer without an end, one that drips, silence`, async (t) => {
    const drip = (response: ServerResponse) => {
      const timer = setInterval(() => response.write('x'), 100);
      response.once('close', () => clearInterval(timer));
    };
    const behaviours = { endless: flood, dripping: drip, silent: () => undefined };
    let behaviour: keyof typeof behaviours = 'endless';
    const server = createHttp((_, response) => behaviours[behaviour](response));
    await listen(t, server, 0);
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    const noKeys = { AWS_ACCESS_KEY_ID: undefined, AWS_PROFILE: undefined, HOME: '/nonexistent' };
    const env = source === 'instance' ? {} : { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/v1/credentials` };
    t.after(setEnv({ ...noKeys, ...env, AWS_EC2_METADATA_SERVICE_ENDPOINT: url }));
    const asks: (() => Promise<unknown>)[] = [credentialsOf(env), sdkCredentials()];
    if (source === 'instance') asks.push(regionOf(env));
    const allFail = async (message: RegExp) => {
      const failures = asks.map((ask) => assert.rejects(ask(), { name: 'MetadataProviderError', message }));
      await Promise.all(failures);
    };

    await allFail(/EFBIG/);
    behaviour = 'dripping';
    await allFail(/no whole answer within 2000 ms/);
    behaviour = 'silent';
    await allFail(/no whole answer within 2000 ms/);
  });
}

test('files: a pipe that nobody writes to, a device without an end, a sparse file of 8 GiB', async (t) => {
  const dir = tempDir(t);
  const [pipe, large] = [join(dir, 'pipe'), join(dir, 'large')];
  execFileSync('mkfifo', [pipe]);
  writeFileSync(large, '');
  truncateSync(large, 8 * 1024 ** 3);

  for (const [path, code] of [
    [pipe, 'EINVAL'],
    ['/dev/zero', 'EINVAL'],
    [large, 'EFBIG'],
    [dir, 'EISDIR'],
  ] as const) {
    await assert.rejects(readRegularFile(path, MAX_FOREIGN_BYTES), { code }, path);
    assert.throws(() => readRegularFileSync(path, MAX_FOREIGN_BYTES), { code }, path);
    assert.throws(() => readPlainFile(path), /EISDIR|no plain file/, path);
    assert.equal(readConfigLines({ HAPROXY_CFGFILES: path }), undefined);
    // A configuration may come through a pipe, and whoever names it writes to it.
    if (path === pipe) continue;
    const sources = { flags: { config: path }, env: {}, hostname: 'lb1' };
    await assert.rejects(loadAgentConfig(sources), { code: 'ERR_CONFIG' }, path);
    await assert.rejects(loadConfigFile(path, parseConfig), { code: 'ERR_CONFIG' }, path);
  }
});

test('a stream of single bytes, and one that stops', async () => {
  const drip = Readable.from(
    (function* () {
      for (;;) yield Buffer.of(120);
    })(),
  );
  await assert.rejects(readBody(drip, { maxBytes: 4096 }), { code: 'EFBIG' });
  const silent = new Readable({ read: () => undefined });
  await assert.rejects(readBody(silent, { maxBytes: 10, timeoutMs: 20 }), { name: 'TimeoutError' });
});

test('memory has stayed below 256 MB through all of this', () => {
  // Not resourceUsage().maxRSS: a child begins with that of the process that started it.
  const peakKb = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

  assert.ok(peakKb < 256 * 1024, `${peakKb} kB`);
});
