// Every fault, seen on the wire by raw requests; and that the proxy is a whole CA while nothing is wrong.
import assert from 'node:assert/strict';
import { after, afterEach, type TestContext, test } from 'node:test';
import { finalized, identifiersOf, jsonOf, readyOrder } from '../../support/hostile-ca/client.ts';
import * as faults from '../../support/hostile-ca/faults.ts';
import type { Fault } from '../../support/hostile-ca/hostile-ca.ts';
import { startRawStage } from '../../support/hostile-ca/stage.ts';

const names = ['a.example.test'];
const stage = await startRawStage();
after(stage.stop);
const { ca, client } = stage;
afterEach(() => ca.clear());

const newOrder = (payload: object = identifiersOf(...names), nonce?: string) =>
  client.post(client.directory['newOrder'] ?? '', payload, nonce);
test('without faults it is a whole CA, every URL of it its own', async () => {
  const order = await readyOrder(client, names);

  const valid = await finalized(client, order, names);

  const { body, headers } = await client.post(valid.certificate, null);
  assert.equal(body.match(/BEGIN CERTIFICATE/g)?.length, 3);
  const texts = [JSON.stringify(client.directory), JSON.stringify(valid), order.url, String(headers['link'])];
  for (const text of texts) {
    assert.ok(!text.includes(new URL(stage.pebble.directoryUrl).host), text);
    assert.ok(text.includes(new URL(ca.directoryUrl).host), text);
  }
  for (const resource of [
    'directory',
    'newNonce',
    'newAccount',
    'newOrder',
    'challenge',
    'finalize',
  ] as const) {
    assert.ok(ca.count(resource) > 0, resource);
  }
  assert.deepEqual([ca.ordersMade(), ca.count('newOrder')], [1, 1]);
  assert.ok(ca.requests.every(({ resource, status, reached }) => resource !== 'other' && status === reached));
});

test('a fault starts after so many requests, spoils so many, and ends with clear', async () => {
  ca.fault('directory', faults.page(503), { after: 1, times: 2 });
  const look = async () => (await client.get(ca.directoryUrl)).status;

  assert.deepEqual([await look(), await look(), await look(), await look()], [200, 503, 503, 200]);
  ca.fault('directory', faults.page(502));
  assert.equal(await look(), 502);
  ca.clear();
  assert.equal(await look(), 200);
});

/** What a raw newOrder sees of each. */
const seen: [name: string, fault: Fault, status: number, more: RegExp | undefined, end?: string][] = [
  [
    '429 by seconds',
    faults.problem({ status: 429, type: 'rateLimited', retryAfter: 60 }),
    429,
    /:rateLimited/,
  ],
  ['503 with Retry-After', faults.page(503, 30), 503, /<html>/],
  ['badNonce', faults.badNonce, 400, /:badNonce/],
  ['HTML with 200', faults.body('<html>', 'text/html'), 201, /^<html>$/],
  ['JSON that is no object', faults.body('null'), 201, /^null$/],
  ['JSON that is none', faults.body('{"status":'), 201, /^\{"status":$/],
  ['hang', faults.unanswered('hang'), 0, undefined, 'timeout'],
  ['hang behind', faults.lost('hang'), 0, undefined, 'timeout'],
  ['hang in the body', faults.lost('hang-in-body'), 201, /^\{/, 'timeout'],
  ['reset', faults.unanswered('reset'), 0, undefined, 'ECONNRESET'],
  ['reset behind', faults.lost('reset'), 0, undefined, 'ECONNRESET'],
  ['reset in the body', faults.lost('reset-in-body'), 201, /^\{/, 'ECONNRESET'],
  ['truncated', faults.lost('truncate'), 201, /"finalize"/, 'ECONNRESET'],
];

function shortenPatience(t: TestContext): void {
  const before = client.patienceMs;
  client.patienceMs = 1_500;
  t.after(() => {
    client.patienceMs = before;
  });
}

for (const [name, fault, status, more, end = 'end'] of seen) {
  test(`newOrder: ${name}`, async (t) => {
    ca.fault('newOrder', fault);
    if (end === 'timeout') shortenPatience(t);

    const answer = await newOrder();

    assert.deepEqual([answer.status, answer.end], [status, end]);
    if (more !== undefined) assert.match(answer.body, more);
  });
}

test('Retry-After comes as a date too, and a problem brings a nonce that works', async () => {
  const date = new Date(Date.now() + 3_600_000);
  ca.fault('newOrder', faults.problem({ status: 429, type: 'rateLimited', retryAfter: date }), { times: 1 });

  const { headers } = await newOrder();

  assert.equal(headers['retry-after'], date.toUTCString());
  assert.equal((await newOrder(undefined, String(headers['replay-nonce']))).status, 201);
});

test('a 500 that eats the nonce: the CA has made the order, nobody hears of it', async () => {
  const nonce = await client.nonce();
  const before = ca.ordersMade();
  ca.fault('newOrder', faults.lostBehind({ status: 500, type: 'serverInternal' }), { times: 1 });

  const answer = await newOrder(undefined, nonce);

  assert.deepEqual([answer.status, answer.headers['replay-nonce']], [500, undefined]);
  assert.equal(ca.ordersMade(), before + 1);
  assert.match(jsonOf(await newOrder(undefined, nonce)).type, /badNonce$/);
});

test('a body of 100 MB comes as fast as it is read', async () => {
  ca.fault('directory', faults.flood());

  const answer = await client.get(ca.directoryUrl);

  assert.ok(answer.bytes >= 100 << 20 && answer.end === 'end', `${answer.bytes} ${answer.end}`);
});

test('newNonce may come without a nonce, authorizations dead or with any token', async () => {
  const { authorizations } = jsonOf(await newOrder());
  ca.fault('newNonce', faults.header('replay-nonce', undefined), { times: 1 });
  ca.fault(
    'authorization',
    faults.change(() => ({ status: 'deactivated', challenges: [{ token: '../x' }] })),
  );

  assert.equal(await client.nonce(), 'undefined');
  const authorization = jsonOf(await client.post(authorizations[0], null));
  assert.deepEqual([authorization.status, authorization.challenges[0].token], ['deactivated', '../x']);
});

test('an order seems ready or processing for a while', async () => {
  const order = await readyOrder(client, names);
  ca.fault('finalize', faults.orderIs('ready'));
  ca.fault('order', faults.orderIs('processing'), { times: 2 });

  const first = await finalized(client, order, names);
  const states = [first];
  for (let look = 0; look < 30 && states.at(-1).status !== 'valid'; look += 1) {
    states.push(jsonOf(await client.post(order.url, null)));
  }

  assert.deepEqual(
    states.slice(0, 3).map(({ status }) => status),
    ['ready', 'processing', 'processing'],
  );
  assert.deepEqual([states[2].certificate, states.at(-1).status], [undefined, 'valid']);
});

test('an order invalid by CAA stays so when the fault is over', async () => {
  const order = await readyOrder(client, names);
  ca.fault('finalize', faults.invalidFromNow(faults.caaRefusal(...names)));

  await finalized(client, order, names);
  ca.clear();

  const { status, error, certificate } = jsonOf(await client.post(order.url, null));
  assert.deepEqual(
    [status, certificate, error.subproblems[0].identifier.value],
    ['invalid', undefined, names[0]],
  );
});

test('an order of another account or of nobody: 403, 404', async () => {
  const { url } = await readyOrder(client, names);
  for (const [status, type] of [
    [403, 'unauthorized'],
    [404, 'malformed'],
  ] as const) {
    ca.fault('order', faults.problem({ status, type }), { times: 1 });
    assert.equal((await client.post(url, null)).status, status);
  }
});
