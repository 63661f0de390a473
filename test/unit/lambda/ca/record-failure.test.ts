// What one certificate's failure says about its CA: stay away, out of reach, or nothing at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcmeProblem, AcmeUnreachable, AuthorizationFailed } from '../../../../lambda/acme/problem.ts';
import type { CaState } from '../../../../lambda/ca/budget.ts';
import type { Ca } from '../../../../lambda/ca/ca.ts';
import { avoidedUntil, pausedUntil, recordFailure } from '../../../../lambda/ca/pause.ts';
import {
  after,
  DIRECTORY_URL,
  type Events,
  fakeClock,
  noon,
  recordEvents,
} from '../../../support/issuer/support.ts';

const MINUTE_MS = 60_000;
const OTHER = 'https://other.test/directory';
const problem = (type: string, status: number, retryAfter?: Date) =>
  new AcmeProblem({ type: `urn:ietf:params:acme:error:${type}` }, status, retryAfter);
const rateLimited = problem('rateLimited', 429);
const unreachable = new AcmeUnreachable('GET https://ca.test/directory: ECONNREFUSED');

function passOf(caState: CaState = { version: 1, cas: {}, sets: {} }) {
  const events: Events = recordEvents();
  const clock = fakeClock();
  const forgotten: string[] = [];
  const authorities = new Map(
    [DIRECTORY_URL, OTHER].map((url) => [
      url,
      { forgetAccount: async () => void forgotten.push(url) } as unknown as Ca,
    ]),
  );
  return { authorities, timing: clock, log: events.log, caState, countedAt: noon, events, clock, forgotten };
}

test('rateLimited: the CA is left alone, and that is told once for all certificates of the pass', async () => {
  const pass = passOf();

  await recordFailure(pass, DIRECTORY_URL, true, rateLimited);
  await recordFailure(pass, DIRECTORY_URL, false, rateLimited);

  assert.deepEqual(pausedUntil(pass.caState, DIRECTORY_URL), after(noon, 15 * MINUTE_MS));
  assert.equal(pass.caState.cas[DIRECTORY_URL]?.strikes, 1);
  assert.equal(pass.events.fieldsOf('ca.paused').length, 1);
  assert.equal(pausedUntil(pass.caState, OTHER), undefined);
});

test('a pause that is over begins anew, longer', async () => {
  const pass = passOf();
  await recordFailure(pass, DIRECTORY_URL, true, rateLimited);
  pass.clock.advance(15 * MINUTE_MS);

  await recordFailure(pass, DIRECTORY_URL, true, rateLimited);

  assert.deepEqual(pausedUntil(pass.caState, DIRECTORY_URL), after(noon, 45 * MINUTE_MS));
  assert.equal(pass.events.fieldsOf('ca.paused').length, 2);
});

test('out of reach, and no record remembers it: an outage of this pass, which counts once', async () => {
  const pass = passOf();

  await recordFailure(pass, DIRECTORY_URL, false, unreachable);
  await recordFailure(pass, DIRECTORY_URL, false, unreachable);

  assert.equal(pass.caState.cas[DIRECTORY_URL]?.outage?.passes, 1);
  assert.equal(pausedUntil(pass.caState, DIRECTORY_URL), undefined, 'it is asked again in the next pass');
  assert.equal(pass.events.fieldsOf('ca.unreachable').length, 1);
});

test('out of reach in the next pass too: others go first for a while', async () => {
  const first = passOf();
  await recordFailure(first, DIRECTORY_URL, false, unreachable);
  const next = { ...passOf(first.caState), countedAt: after(noon, MINUTE_MS) };
  next.clock.advance(2 * MINUTE_MS);

  await recordFailure(next, DIRECTORY_URL, false, unreachable);

  const until = after(noon, 17 * MINUTE_MS);
  assert.deepEqual(avoidedUntil(next.caState, DIRECTORY_URL), until);
  assert.equal(next.events.fieldsOf('ca.unreachable')[0]?.['until'], until.toISOString());
});

const NOTHING: [says: string, hasRecord: boolean, error: unknown][] = [
  ['out of reach, but a record remembers it', true, unreachable],
  ['a name that could not be validated', false, new AuthorizationFailed('a.test', 'no answer')],
  ['a refusal of this order', false, problem('rejectedIdentifier', 400)],
  ['a fault of our own', false, new TypeError('bug')],
];

for (const [says, hasRecord, error] of NOTHING)
  test(`${says} says nothing about the CA`, async () => {
    const pass = passOf();
    const before = pass.caState;

    await recordFailure(pass, DIRECTORY_URL, hasRecord, error);

    assert.equal(pass.caState, before);
    assert.deepEqual(pass.events.names(), []);
  });

test('503 with Retry-After is a pause, without it an outage', async () => {
  const [asked, broken] = [passOf(), passOf()];

  await recordFailure(asked, DIRECTORY_URL, false, problem('serverInternal', 503, after(noon, MINUTE_MS)));
  await recordFailure(broken, DIRECTORY_URL, false, problem('serverInternal', 503));

  assert.deepEqual(asked.events.names(), ['ca.paused']);
  assert.deepEqual(pausedUntil(asked.caState, DIRECTORY_URL), after(noon, MINUTE_MS));
  assert.deepEqual(broken.events.names(), ['ca.unreachable']);
});

test('an account that the CA does not know is forgotten, of this CA only', async () => {
  const pass = passOf();

  await recordFailure(pass, DIRECTORY_URL, true, problem('accountDoesNotExist', 400));

  assert.deepEqual(pass.forgotten, [DIRECTORY_URL]);
});
