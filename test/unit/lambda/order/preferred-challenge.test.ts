/** Which of a certificate's challenges is tried, and whose failure counts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcmeDeadline, AuthorizationFailed, NoAcmeAnswer } from '../../../../lambda/acme/problem.ts';
import { DnsFailed } from '../../../../lambda/challenge/errors.ts';
import { afterFailure } from '../../../../lambda/order/back-off.ts';
import { type ChallengeFailures, preferredChallenge } from '../../../../lambda/order/preferred-challenge.ts';
import { noon } from '../../../support/clock.ts';
import { makeRecord } from '../../../support/issuer/documents.ts';

const BOTH = ['dns-01', 'http-01'] as const;

for (const [says, failures, chosen] of [
  ['the first comes first', {}, 'dns-01'],
  ['one failure may be chance', { 'dns-01': 1 }, 'dns-01'],
  ['after two failures the next one', { 'dns-01': 2 }, 'http-01'],
  ['the failures of the second do not stop it at once', { 'dns-01': 2, 'http-01': 1 }, 'http-01'],
  ['where all have failed twice, the first tries again', { 'dns-01': 2, 'http-01': 2 }, 'dns-01'],
  ['then they take turns', { 'dns-01': 3, 'http-01': 2 }, 'http-01'],
] as const) {
  test(`challenge: ${says}`, () => {
    assert.equal(preferredChallenge(BOTH, failures), chosen);
  });
}

test('challenge: a list of one has no choice', () => {
  assert.equal(preferredChallenge(['http-01'], { 'http-01': 99 }), 'http-01');
});

for (const [says, error, counted] of [
  [
    'an answer that the CA did not find',
    new AuthorizationFailed('a.test', 'invalid', undefined, 'dns-01'),
    1,
  ],
  ['a zone that takes no record', new DnsFailed('ERR_DNS_DENIED', 'denied'), 1],
  ['an order that the CA refuses at the end', new AuthorizationFailed('a.test', 'the order is invalid'), 0],
  ['a CA out of reach', new NoAcmeAnswer('no answer'), 0],
  ['a pass without time', new AcmeDeadline('not done yet'), 0],
] as const) {
  test(`challenge: ${says} counts ${counted} failures of it`, () => {
    const record = makeRecord({ challenge: 'dns-01', challengeFailures: { 'http-01': 1 } });

    const { challengeFailures } = afterFailure(record, error, noon, 0);

    const expected: ChallengeFailures = { 'http-01': 1, ...(counted > 0 && { 'dns-01': counted }) };
    assert.deepEqual(challengeFailures, expected);
  });
}
