/** Tries of a challenge that failed (RFC 8555 §8.2), as smallstep's CAs show them: the authorization stays pending. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Authorization, type Challenge, waitValid } from '../../../../lambda/acme/authorization.ts';
import { AcmeStuck, AuthorizationFailed, joinFailures } from '../../../../lambda/acme/problem.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { answer, clientOf, fakeCa, urn } from '../../../support/issuer/fake-ca.ts';

const url = 'https://ca.test/authz/1';
const challenge: Challenge = {
  type: 'http-01',
  url: `${url}/http`,
  status: 'pending',
  token: 'DGyRejmCefe7v4',
};
const authorization: Authorization = {
  url,
  identifier: { type: 'dns', value: 'a.test' },
  status: 'pending',
  challenges: [challenge],
};
const error = { type: urn('connection'), detail: 'error doing http GET for url http://a.test/' };
const until = after(noon, 300_000);

/** Polls of the authorization answer with these challenges in turn, then with the last of them. */
function polled(...shown: Partial<Challenge>[]) {
  return polledWith({}, ...shown);
}

function polledWith(headers: Record<string, string>, ...shown: Partial<Challenge>[]) {
  const left = [...shown];
  const ca = fakeCa(() => {
    const now = left.length > 1 ? left.shift() : left[0];
    const status = now?.status === 'valid' ? 'valid' : 'pending';
    return answer({ ...authorization, status, challenges: [{ ...challenge, ...now }] }, { headers });
  });
  const clock = fakeClock();
  const wait = (before: Partial<Challenge> = {}, isLast = false) =>
    waitValid(clientOf(ca), authorization, clock, { challenge: { ...challenge, ...before }, until, isLast });
  return { clock, wait };
}

test('a pending challenge with an error is a failed try, and its reason is told', async () => {
  const { clock, wait } = polled({ error });

  await assert.rejects(wait(), {
    code: 'ERR_AUTHORIZATION',
    identifier: 'a.test',
    message: /^a\.test: http-01 challenge is pending: connection \(error doing http GET .*is port 80/,
  });
  assert.deepEqual(clock.waits, [150]);
});

test('an invalid challenge ends the wait, although its authorization stays pending', async () => {
  const { wait } = polled({ status: 'invalid', error });

  await assert.rejects(wait(), { code: 'ERR_AUTHORIZATION', message: /http-01 challenge is invalid/ });
});

test('the error of the try before this one is waited out, and is a failure when it stays', async () => {
  const mended = polled({ error }, { error }, { status: 'valid' });
  await mended.wait({ error });

  const broken = polled({ error });
  await assert.rejects(broken.wait({ error }), { code: 'ERR_AUTHORIZATION' });
  const waitedMs = broken.clock.now().getTime() - noon.getTime();
  assert.ok(waitedMs >= 5_000 && waitedMs < 15_000, `${waitedMs} ms`);
});

test('while the CA tries again by itself, its challenge is processing: it has its time, and then the last reason counts', async () => {
  const mended = polled({ status: 'processing', error }, { status: 'valid' });
  await mended.wait();

  const broken = polled({ status: 'processing', error });
  await assert.rejects(broken.wait(), { code: 'ERR_AUTHORIZATION', message: /processing: connection/ });
  assert.ok(broken.clock.now() >= until && broken.clock.now() < after(until, 10_000));
});

test('a CA that never validates is at fault itself, after the time that one authorization has', async () => {
  const { clock, wait } = polled({});

  await assert.rejects(wait(), (stuck) => {
    assert.ok(stuck instanceof AcmeStuck);
    assert.match(stuck.message, /^a\.test: the CA does not validate it/);
    return true;
  });
  assert.ok(clock.now() < clock.deadline);
});

test('all names that failed are named, each once, five of them with their reasons', () => {
  const failures = ['b', 'a', 'b', 'c', 'd', 'e', 'f', 'g'].map(
    (name) => new AuthorizationFailed(`${name}.test`, 'no answer'),
  );

  const { identifier, message, code } = joinFailures(failures);

  assert.equal(code, 'ERR_AUTHORIZATION');
  assert.equal(identifier, ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `${name}.test`).join(', '));
  assert.match(message, /^a\.test: no answer; b\.test: no answer; .*; failed as well: f\.test, g\.test$/);
});

test('a Retry-After that no pass sleeps through is obeyed once; a CA that has had its time is given up', async () => {
  for (const seconds of ['1200', '86400']) {
    const { wait } = polledWith({ 'retry-after': seconds }, { status: 'processing' });

    await assert.rejects(wait(), { code: 'ERR_ACME_DEADLINE' });
    await assert.rejects(wait({}, true), { code: 'ERR_ACME_STUCK', message: /the CA does not validate it/ });
  }
  const short = polledWith({ 'retry-after': '3' }, { status: 'processing' }, { status: 'valid' });
  await short.wait({}, true);
});
