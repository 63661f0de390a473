// What one certificate's failure says about its CA: stay away, out of reach, or nothing at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import { AcmeProblem, AuthorizationFailed, NoAcmeAnswer } from '../../../../lambda/acme/problem.ts';
import { CaBudget } from '../../../../lambda/ca/budget.ts';
import { type Ca, forgetLostAccount } from '../../../../lambda/ca/ca.ts';
import type { CaState } from '../../../../lambda/ca/state.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL } from '../../../support/issuer/documents.ts';
import { type Events, recordEvents } from '../../../support/issuer/events.ts';

const OTHER = 'https://other.test/directory';
const problem = (type: string, status: number, retryAfter?: Date) =>
  new AcmeProblem({ type: `urn:ietf:params:acme:error:${type}` }, status, retryAfter);
const rateLimited = problem('rateLimited', 429);
const unreachable = new NoAcmeAnswer('GET https://ca.test/directory: ECONNREFUSED');

function passOf(caState: CaState = { version: 1, cas: {}, sets: {} }, begin = noon) {
  const events: Events = recordEvents();
  const clock = fakeClock(begin);
  const bucket = memoryBucket();
  const options = { bucket, now: clock.now, log: events.log };
  return { budget: new CaBudget(options, caState), events, clock };
}

test('rateLimited: the CA is left alone, and that is logged once for all certificates of the pass', () => {
  const pass = passOf();

  pass.budget.recordFailure(DIRECTORY_URL, rateLimited, true);
  pass.budget.recordFailure(DIRECTORY_URL, rateLimited, false);

  assert.deepEqual(pass.budget.pausedUntil(DIRECTORY_URL), after(noon, 15 * MINUTE_MS));
  assert.equal(pass.budget.state.cas[DIRECTORY_URL]?.strikes, 1);
  assert.equal(pass.events.fieldsOf('ca.paused').length, 1);
  assert.equal(pass.budget.pausedUntil(OTHER), undefined);
});

test('after a pause the next one is longer', () => {
  const pass = passOf();
  pass.budget.recordFailure(DIRECTORY_URL, rateLimited, true);
  pass.clock.advance(15 * MINUTE_MS);

  pass.budget.recordFailure(DIRECTORY_URL, rateLimited, true);

  assert.deepEqual(pass.budget.pausedUntil(DIRECTORY_URL), after(noon, 45 * MINUTE_MS));
  assert.equal(pass.events.fieldsOf('ca.paused').length, 2);
});

test('out of reach, and no record remembers it: an outage of this pass, which counts once', () => {
  const pass = passOf();

  pass.budget.recordFailure(DIRECTORY_URL, unreachable, false);
  pass.budget.recordFailure(DIRECTORY_URL, unreachable, false);

  assert.equal(pass.budget.state.cas[DIRECTORY_URL]?.outage?.passes, 1);
  assert.equal(pass.budget.pausedUntil(DIRECTORY_URL), undefined, 'it is asked again in the next pass');
  assert.equal(pass.events.fieldsOf('ca.unreachable').length, 1);
});

test('out of reach in the next pass too: others go first for a while', () => {
  const first = passOf();
  first.budget.recordFailure(DIRECTORY_URL, unreachable, false);
  const next = passOf(first.budget.state, after(noon, MINUTE_MS));
  next.clock.advance(MINUTE_MS);

  next.budget.recordFailure(DIRECTORY_URL, unreachable, false);

  const until = after(noon, 17 * MINUTE_MS);
  assert.deepEqual(next.budget.avoidedUntil(DIRECTORY_URL), until);
  assert.equal(next.events.fieldsOf('ca.unreachable')[0]?.['until'], until.toISOString());
});

const NOTHING: [says: string, hasRecord: boolean, error: unknown][] = [
  ['out of reach, but a record remembers it', true, unreachable],
  ['a name that could not be validated', false, new AuthorizationFailed('a.test', 'no answer')],
  ['a refusal of this order', false, problem('rejectedIdentifier', 400)],
  ['a fault of our own', false, new TypeError('bug')],
];

for (const [says, hasRecord, error] of NOTHING) {
  test(`${says} says nothing about the CA`, () => {
    const pass = passOf();
    const before = pass.budget.state;

    pass.budget.recordFailure(DIRECTORY_URL, error, hasRecord);

    assert.equal(pass.budget.state, before);
    assert.deepEqual(pass.events.names(), []);
  });
}

test('503 with Retry-After is a pause, without it an outage', () => {
  const [asked, broken] = [passOf(), passOf()];

  asked.budget.recordFailure(DIRECTORY_URL, problem('serverInternal', 503, after(noon, MINUTE_MS)), false);
  broken.budget.recordFailure(DIRECTORY_URL, problem('serverInternal', 503), false);

  assert.deepEqual(asked.events.names(), ['ca.paused']);
  assert.deepEqual(asked.budget.pausedUntil(DIRECTORY_URL), after(noon, MINUTE_MS));
  assert.deepEqual(broken.events.names(), ['ca.unreachable']);
});

test('an account that the CA does not know is forgotten, of this CA only', async () => {
  const forgotten: string[] = [];
  const cas = new Map(
    [DIRECTORY_URL, OTHER].map((url) => [
      url,
      { forgetAccount: async () => void forgotten.push(url) } as unknown as Ca,
    ]),
  );

  await forgetLostAccount(cas, DIRECTORY_URL, problem('accountDoesNotExist', 400));

  assert.deepEqual(forgotten, [DIRECTORY_URL]);
});
