/** The challenge answers that an order record names, attempt after attempt, and times of a clock that was ahead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { http01Solver } from '../../../../lambda/challenge/http01.ts';
import type { ChallengeSolver } from '../../../../lambda/challenge/solver.ts';
import { obtain } from '../../../../lambda/order/obtain.ts';
import { type OrderRecord, readOrderRecords } from '../../../../lambda/order/record.ts';
import { OrderInFlight } from '../../../../lambda/pass/issuing/order-in-flight.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, makeConfig, makeRecord, makeSpec } from '../../../support/issuer/documents.ts';
import { answer, clientOf, fakeCa } from '../../../support/issuer/fake-ca.ts';
import { onlySolver } from '../../../support/issuer/only-solver.ts';
import { passOver } from '../../../support/issuer/pass.ts';

const tokenOf = (word: number | string) => String(word).padStart(22, '-');
const config = makeConfig([{ identifiers: ['a.test'] }]);

interface CaWords {
  /** Of an authorization whose challenge was responded to. */
  validated: 'invalid' | 'pending';
  order: 'pending' | 'processing';
}

/** Every order has an authorization of its own, with a token of its own; what has become invalid makes the order invalid. */
function caThat({ order, validated }: CaWords) {
  let orders = 0;
  const responded = new Set<string>();
  const statusOf = (number: string) => (responded.has(number) ? validated : 'pending');
  const orderOf = (number: string) => ({
    status: order === 'pending' ? statusOf(number) : order,
    identifiers: [{ type: 'dns', value: 'a.test' }],
    authorizations: [`https://ca.test/authorization/${number}`],
    finalize: `https://ca.test/finalize/${number}`,
  });
  const authorizationOf = (number: string) => ({
    status: statusOf(number),
    identifier: { type: 'dns', value: 'a.test' },
    challenges: [
      {
        ...{ type: 'http-01', url: `https://ca.test/challenge/${number}`, token: tokenOf(number) },
        ...{ status: statusOf(number), ...(statusOf(number) === 'invalid' && { error: { type: 'x' } }) },
      },
    ],
  });
  return fakeCa(({ url }) => {
    if (url.endsWith('/new-order')) orders += 1;
    const [, kind = '', number = String(orders)] = /\/([a-z-]+)(?:\/(\d+))?$/.exec(url) ?? [];
    if (kind === 'challenge') responded.add(number);
    const headers = { 'replay-nonce': 'nonce', location: `https://ca.test/order/${number}` };
    return answer(kind === 'authorization' ? authorizationOf(number) : orderOf(number), { headers });
  });
}

function setUp(ca: ReturnType<typeof caThat>, changes: Partial<ChallengeSolver> = {}) {
  const bucket = memoryBucket();
  const clock = fakeClock();
  const removed: string[] = [];
  const solver = http01Solver(bucket);
  const cleanUp: ChallengeSolver['cleanUp'] = (answers) => {
    removed.push(...answers.map(({ token }) => token));
    return solver.cleanUp(answers);
  };
  const solvers = onlySolver({ ...solver, cleanUp, ...changes });
  const account = { client: clientOf(ca), settings: config.acme };
  const stored = async () => (await readOrderRecords(bucket)).records.get('a.test');
  const attempt = async () => {
    const timing = { ...clock, deadline: after(clock.now(), 15 * MINUTE_MS) };
    const pass = passOver(bucket, { timing, solvers }).passFor([{ identifiers: ['a.test'] }]);
    const record = await stored();
    const order = new OrderInFlight(pass, {
      spec: makeSpec(),
      decision: record
        ? { action: 'resume', reason: 'retry', directoryUrl: DIRECTORY_URL }
        : { action: 'obtain', reason: 'missing', directoryUrl: DIRECTORY_URL },
      ...{ published: undefined, stored: record, isFreshKey: false },
    });
    const [leg] = await order.open(account);
    assert.ok(leg);
    const options = { claimedOrders: new Set<string>(), isHurried: false };
    const error = await obtain(pass, account, leg, options).then(
      () => assert.fail('is issued'),
      (thrown: Error) => thrown,
    );
    await order.saveFailure(error);
    return error;
  };
  const put = (record: OrderRecord) => bucket.put(layout.order(makeSpec().name), JSON.stringify(record));
  const tokens = async () => (await stored())?.record.legs[0]?.presented.map(({ token }) => token);
  return { attempt, clock, put, removed, stored, tokens };
}

test('answers that were removed are not named any more: each attempt removes its own, and no others', async () => {
  const story = setUp(caThat({ validated: 'invalid', order: 'pending' }));

  for (let attempt = 1; attempt <= 10; attempt += 1) {
    const error = await story.attempt();
    assert.equal(error.name, 'AuthorizationFailed', error.message);
    assert.deepEqual(await story.tokens(), []);
    story.clock.advance(DAY_MS);
  }

  assert.deepEqual(
    story.removed,
    Array.from({ length: 10 }, (_, index) => tokenOf(index + 1)),
  );
});

test('answers that cannot be removed stay named, the latest of them, so that the record never grows too large', async () => {
  const story = setUp(caThat({ validated: 'invalid', order: 'pending' }), {
    cleanUp: () => Promise.reject(new Error('AccessDenied')),
  });
  const presented = Array.from({ length: 600 }, (_, index) => ({
    ...{ identifier: 'a.test', token: tokenOf(`old-${index}`), keyAuthorization: 'x' },
  }));
  await story.put(makeRecord({ presented }));

  await story.attempt();

  const tokens = (await story.tokens()) ?? [];
  assert.deepEqual([tokens.length, tokens[0], tokens.at(-1)], [501, tokenOf('old-100'), tokenOf(1)]);
});

test('while the CA may still look, only the answers of earlier orders are removed', async () => {
  const story = setUp(caThat({ validated: 'pending', order: 'pending' }));
  const token = tokenOf('of-an-earlier-order');
  await story.put(
    makeRecord({ presented: [{ identifier: 'a.test', token, keyAuthorization: `${token}.x` }] }),
  );

  const error = await story.attempt();

  assert.equal(error.name, 'AcmeStuck', error.message);
  assert.deepEqual([story.removed, await story.tokens()], [[token], [tokenOf(1)]]);
});

const inAMonth = after(noon, 30 * DAY_MS);
const resumed = (changes: object) => {
  const record = makeRecord({ orderUrl: 'https://ca.test/order/1' });
  return { ...record, legs: record.legs.map((leg) => ({ ...leg, ...changes })) };
};

test('a clock that was ahead when the CA was asked to validate gives the CA no month for it', async () => {
  const story = setUp(caThat({ validated: 'pending', order: 'pending' }));
  await story.put(resumed({ respondedAt: inAMonth }));

  const error = await story.attempt();

  assert.equal(error.name, 'AcmeStuck', error.message);
  assert.equal((await story.stored())?.record.failures, 1);
});

test('a clock that was ahead when the CA began to issue gives the CA an hour from now, and no month', async () => {
  const story = setUp(caThat({ validated: 'pending', order: 'processing' }));
  await story.put(resumed({ processingSince: inAMonth }));

  const waiting = await story.attempt();
  const since = (await story.stored())?.record.legs[0]?.processingSince;
  story.clock.advance(HOUR_MS);
  const stuck = await story.attempt();

  assert.deepEqual([waiting.name, stuck.name], ['StillProcessing', 'AcmeStuck'], stuck.message);
  assert.deepEqual(since, noon);
});
