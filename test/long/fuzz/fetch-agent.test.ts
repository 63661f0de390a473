/**
 * cdk/host/fetch-agent.py against a metadata service and a store that answer anything: it ends in time, with no traceback, and each line
 * that it writes is its own. `PEMFLEET_FUZZ_SECONDS` (default 10), `PEMFLEET_FUZZ_SEED` to repeat one.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { machine } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { PYTHON_CLOCK } from '../../support/python-clock.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SECONDS = Number(process.env['PEMFLEET_FUZZ_SECONDS'] ?? 10);
const SEED = Number(process.env['PEMFLEET_FUZZ_SEED'] ?? Date.now() % 2 ** 31);
const PROGRAM = fileURLToPath(new URL('../../../cdk/host/fetch-agent.py', import.meta.url));
/** Of one run, in which the clock of the program is the test's. */
const MAX_MS = 60_000;

type Way = 'whole' | 'cut' | 'cut-chunk' | 'no-http' | 'redirect' | 'too-much';
interface Answers {
  role: string;
  credentials: string;
  pointer: string;
  ways: Way[];
}

const odd = fc.oneof(
  fc.constantFrom(null, true, [], {}, 1e308, -1, '', '\u0000', 'a\nb', '\u001b[2J', '\ud800', 'é'),
  fc.jsonValue({ maxDepth: 3 }),
);
const json = (good: fc.Arbitrary<unknown>) =>
  fc.oneof(
    { weight: 4, arbitrary: good.map((value) => JSON.stringify(value)) },
    fc.tuple(good, fc.nat({ max: 60 })).map(([value, end]) => JSON.stringify(value).slice(0, end)),
    fc.constantFrom('', '['.repeat(60_000), '{"current":'.repeat(5000), '9'.repeat(60_000), '1e999', 'NaN'),
  );
const recordOf = (fields: Record<string, fc.Arbitrary<unknown>>) => fc.record(fields, { requiredKeys: [] });
const release = fc.oneof(
  odd,
  recordOf({
    release: fc.oneof(fc.constant('1.0.0'), odd),
    machines: fc.oneof(
      odd,
      recordOf({
        [machine()]: fc.oneof(
          odd,
          recordOf({ sha256: fc.oneof(fc.constantFrom('0'.repeat(64), `${'0'.repeat(64)}\n`), odd) }),
        ),
      }),
    ),
  }),
);
const answers: fc.Arbitrary<Answers> = fc.record({
  role: fc.oneof(
    { weight: 3, arbitrary: fc.constant('role') },
    fc.constantFrom('', 'a b', 'a\u0001', 'a\nb', 'é', '../..', 'x'.repeat(60_000)),
  ),
  credentials: json(
    recordOf(
      Object.fromEntries(
        ['AccessKeyId', 'SecretAccessKey', 'Token'].map((name) => [
          name,
          fc.oneof({ weight: 5, arbitrary: fc.constant('secret') }, odd),
        ]),
      ),
    ),
  ),
  pointer: json(recordOf({ current: release, previous: release })),
  ways: fc.array(
    fc.oneof(
      { weight: 12, arbitrary: fc.constant('whole' as const) },
      fc.constantFrom<Way>('cut', 'cut-chunk', 'no-http', 'redirect', 'too-much'),
    ),
    { minLength: 1, maxLength: 8 },
  ),
});

function answer(response: ServerResponse, body: string, way: Way): void {
  const { socket } = response;
  if (way === 'whole') response.end(body);
  else if (way === 'too-much') response.end(Buffer.alloc(70_000, 'a'));
  else if (way === 'redirect') response.writeHead(302, { location: 'file:///etc/passwd' }).end();
  else if (way === 'cut') socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{');
  else if (way === 'no-http') socket?.end(`\u0001\u001b[2J${'x'.repeat(70_000)}\n`);
  else socket?.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffff\r\n{');
}

async function startAnswers(t: TestContext) {
  let current: Answers = { role: '', credentials: '', pointer: '', ways: ['whole'] };
  let count = 0;
  const server = createServer(({ url = '' }, response) => {
    const { role, credentials, pointer, ways } = current;
    const way = ways[count++ % ways.length] ?? 'whole';
    if (url.endsWith('/token')) answer(response, 'token', way);
    else if (url.endsWith('/security-credentials/')) answer(response, role, way);
    else answer(response, url.startsWith('/latest/') ? credentials : pointer, way);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const say = (next: Answers) => {
    current = next;
    count = 0;
  };
  return { endpoint: `http://127.0.0.1:${port}`, say };
}

test(`fetch-agent.py, seed ${SEED}`, { timeout: (SECONDS + 120) * 1000 }, async (t) => {
  const { endpoint, say } = await startAnswers(t);
  const directory = tempDir(t);
  const [clock, destination] = [join(directory, 'seconds'), join(directory, 'agent.tar.gz')];
  writeFileSync(join(directory, 'sitecustomize.py'), PYTHON_CLOCK);
  const env = {
    ...{ PATH: process.env['PATH'], PYTHONPATH: directory, CLOCK: clock, PACE: '10' },
    ...{ AWS_ENDPOINT_URL: endpoint, AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint },
  };
  const property = fc.asyncProperty(answers, async (given) => {
    say(given);
    writeFileSync(clock, '0');
    rmSync(destination, { force: true });
    const args = [PROGRAM, 'https://b.s3.eu-central-1.amazonaws.com', 'eu-central-1', 'current', destination];
    const child = spawn('python3', args, { env, stdio: ['ignore', 'ignore', 'pipe'], timeout: MAX_MS });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const [says, code] = await Promise.all([text(child.stderr), ended]);

    assert.equal(code, 1, says.slice(-2000));
    assert.match(says, /^(fetch-agent: \P{C}{1,450}\n)+$/u);
    assert.ok(Number(readFileSync(clock, 'utf8')) <= 600);
    assert.ok(!existsSync(destination));
  });
  const limits = {
    ...{ seed: SEED, numRuns: 1_000_000, endOnFailure: true },
    ...{ interruptAfterTimeLimit: SECONDS * 1000, markInterruptAsFailure: false },
  };
  const { counterexample, errorInstance, failed, numRuns } = await fc.check(property, limits);

  const seen = JSON.stringify(counterexample)
    ?.replace(/(.)\1{20,}/g, '$1…')
    .slice(0, 2000);
  assert.equal(
    failed,
    false,
    `seed ${SEED}, run ${numRuns}: ${seen}\n${String((errorInstance as Error)?.stack)}`,
  );
  assert.ok(numRuns > 5, `${numRuns} runs`);
});
