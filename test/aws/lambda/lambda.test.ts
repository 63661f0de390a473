// The stand-in of Lambda: what a handler meets there, and what becomes of one that takes too long, too much, or fails.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setEnv } from '../../support/env.ts';
import { createPki } from '../../support/parts/pki.ts';
import { request } from '../../support/request.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { invokeByEvent } from './events.ts';
import { type FunctionOptions, startFunction } from './function.ts';
import { startFunctionUrl } from './function-url.ts';

const HANDLER = `
let count = 0;
export async function handler(event, context) {
  console.log('seen ' + JSON.stringify(event));
  count += 1;
  if (event.fail) throw new RangeError('as wished');
  if (event.exit) process.exit(7);
  if (event.fill) for (const kept = []; ; ) { kept.push(Buffer.alloc(2 ** 24, 1)); await new Promise(setImmediate); }
  if (event.waitMs) await new Promise((resolve) => setTimeout(resolve, event.waitMs));
  const { functionName, memoryLimitInMB, invokedFunctionArn } = context;
  return { count, functionName, memoryLimitInMB, invokedFunctionArn, left: context.getRemainingTimeInMillis(), env: process.env };
}
export const url = async ({ rawPath, queryStringParameters, requestContext, headers }) =>
  ({ statusCode: 201, headers: { 'x-method': requestContext.http.method }, body: [rawPath, queryStringParameters?.a, headers['user-agent']].join() });
`;

function functionOf(t: TestContext, options: Partial<FunctionOptions> = {}, code = HANDLER) {
  const dir = makeTempDir();
  writeFileSync(join(dir.path, 'index.mjs'), code);
  const fn = startFunction({
    ...{
      name: 'probe',
      arn: 'arn:aws:lambda:eu-central-1:111111111111:function:probe',
      region: 'eu-central-1',
    },
    ...{ directory: dir.path, handler: 'index.handler', memoryMb: 256, timeoutMs: 10_000 },
    environment: { OWN: 'value' },
    ...options,
  });
  t.after(async () => {
    await fn.stop();
    dir.remove();
  });
  return fn;
}

test('a handler gets its event, context and environment, and nothing of this process', async (t) => {
  t.after(setEnv({ OF_THIS_MACHINE: 'must not be seen' }));
  const fn = functionOf(t);

  const cold = await fn.invoke({ a: 1 });
  const warm = await fn.invoke({ a: 2 });

  const { env, left, ...rest } = JSON.parse(cold.payload);
  assert.deepEqual(rest, {
    ...{ count: 1, functionName: 'probe', memoryLimitInMB: '256' },
    invokedFunctionArn: 'arn:aws:lambda:eu-central-1:111111111111:function:probe',
  });
  assert.ok(left > 5_000 && left <= 10_000, `${left}`);
  assert.deepEqual([env.OWN, env.AWS_REGION, env.OF_THIS_MACHINE], ['value', 'eu-central-1', undefined]);
  assert.deepEqual(cold.log, ['seen {"a":1}']);
  assert.ok((cold.initMs ?? 0) > 0 && cold.peakMb > 10);
  assert.deepEqual([JSON.parse(warm.payload).count, warm.initMs], [2, undefined]);
});

test('a handler that throws is answered with its error, and lives on', async (t) => {
  const fn = functionOf(t);

  const failed = await fn.invoke({ fail: true });
  const next = await fn.invoke({});

  const { errorType, errorMessage } = JSON.parse(failed.payload);
  assert.deepEqual(
    [failed.status, failed.functionError, errorType, errorMessage],
    [200, 'Unhandled', 'RangeError', 'as wished'],
  );
  assert.equal(JSON.parse(next.payload).count, 2);
});

test('time-out, exit and too much memory end the process; the next event gets a new one', async (t) => {
  const fn = functionOf(t, { timeoutMs: 1_500, memoryMb: 128 });
  const messageOf = async (event: object) => {
    const { payload, requestId } = await fn.invoke(event);
    return String(JSON.parse(payload).errorMessage).replace(requestId, 'ID');
  };

  assert.match(
    await messageOf({ waitMs: 60_000 }),
    /^RequestId: ID Error: Task timed out after 1\.\d\d seconds$/,
  );
  assert.equal(
    await messageOf({ exit: true }),
    'RequestId: ID Error: Runtime exited with error: exit status 7',
  );
  assert.equal(
    await messageOf({ fill: true }),
    'RequestId: ID Error: Runtime exited with error: signal: killed',
  );
  const { payload, initMs } = await fn.invoke({});
  assert.equal(JSON.parse(payload).count, 1);
  assert.ok(initMs !== undefined);
});

test('with a reserved concurrency of one, the second event is refused, and one by the queue waits', async (t) => {
  const fn = functionOf(t, { reservedConcurrency: 1 });
  const records: object[] = [];
  const rules = { maxRetries: 0, onFailure: async (record: object) => void records.push(record) };

  const first = fn.invoke({ waitMs: 1_000 });
  const second = await fn.invoke({});
  const tooOld = await invokeByEvent(fn, {}, { ...rules, maxAgeMs: 100, pauseMs: 20 });
  const queued = await invokeByEvent(fn, {}, { ...rules, maxAgeMs: 60_000, pauseMs: 20 });

  assert.equal(second.status, 429);
  assert.match(second.payload, /ReservedFunctionConcurrentInvocationLimitExceeded/);
  assert.deepEqual([tooOld.status, queued.status, (await first).status], [429, 200, 200]);
  assert.equal(JSON.parse(queued.payload).count, 2);
  assert.match(JSON.stringify(records), /EventAgeExceeded/);
});

test('a handler that cannot be loaded, or is not there, says so', async (t) => {
  await assert.rejects(functionOf(t, {}, 'import "nowhere";').invoke({}), /could not be loaded.*nowhere/);
  await assert.rejects(functionOf(t, { handler: 'index.none' }).invoke({}), /index\.none is undefined/);
});

test('Function URL: request to event to answer; another host name is refused', async (t) => {
  const host = 'abc.lambda-url.eu-central-1.on.aws';
  const pki = await createPki();
  const { leafPem, chainPem, keyPem } = await pki.issue({ names: [host] });
  const certificate = { chain: [leafPem, ...chainPem].join(''), key: keyPem };
  const front = await startFunctionUrl({ fn: functionOf(t, { handler: 'index.url' }), host, certificate });
  t.after(front.stop);
  const ask = (name: string) =>
    request(`https://127.0.0.1:${front.port}/path?a=b`, {
      headers: { host: name },
      servername: host,
      ca: pki.rootPem,
    });

  const [good, bad] = [await ask(host), await ask('www.example.com')];

  assert.deepEqual([good.status, good.headers['x-method'], good.body], [201, 'GET', '/path,b,pemfleet-test']);
  assert.deepEqual([bad.status, bad.body], [403, '{"Message":"Forbidden"}']);
});
