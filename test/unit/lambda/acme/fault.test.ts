import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concernsAll, type Fault, faultOf } from '../../../../lambda/acme/fault.ts';
import {
  AcmeDeadline,
  AcmeProblem,
  AcmeStuck,
  AuthorizationFailed,
  joinFailures,
  NoAcmeAnswer,
  NotOffered,
} from '../../../../lambda/acme/problem.ts';
import { urn } from '../../../support/issuer/fake-ca.ts';

const refusal = (type: string, status = 403) => new AcmeProblem({ type: urn(type) }, status);
const invalidOrder = (...types: string[]) => {
  const [type = 'compound'] = types;
  const subproblems = types.map((one) => ({ type: urn(one) }));
  return new AuthorizationFailed('a.test', 'the order is invalid', { type: urn(type), subproblems });
};
const invalid = (type: string, name = 'a.test') =>
  new AuthorizationFailed(name, 'authorization is invalid', { type: urn(type) }, 'http-01');

const ROWS: [says: string, error: unknown, fault: Fault][] = [
  ['no answer', new NoAcmeAnswer('ECONNRESET'), 'ca'],
  ['a word that every object inherits', refusal('constructor'), 'policy'],
  ['the same of a challenge', invalid('constructor'), 'ours'],
  ['an order that never ends', new AcmeStuck('processing'), 'ca'],
  ['rateLimited', refusal('rateLimited', 429), 'ca'],
  ['an error of its own', refusal('serverInternal', 500), 'ca'],
  ['500 of an unknown type', refusal('banana', 500), 'ca'],
  ['a page of a load balancer', new AcmeProblem({ type: 'about:blank' }, 502), 'ca'],
  ['a page of a firewall', new AcmeProblem({ type: 'about:blank' }, 403), 'policy'],
  ['a name on its block list', refusal('rejectedIdentifier', 400), 'policy'],
  ['a CAA record that names another CA', refusal('caa'), 'policy'],
  ['a deactivated account', refusal('unauthorized'), 'policy'],
  ['a binding that has expired', refusal('externalAccountRequired'), 'policy'],
  ['terms of service to agree to', refusal('userActionRequired'), 'policy'],
  ['a profile that it has given up', refusal('invalidProfile', 400), 'policy'],
  ['a key type that it refuses', refusal('badCSR', 400), 'policy'],
  ['a request that it does not understand, and others may', refusal('malformed', 400), 'policy'],
  ['a name that it calls malformed in a validation', invalid('malformed'), 'ours'],
  ['a page that says 404', new AcmeProblem({ type: 'about:blank' }, 404), 'policy'],
  ['an unknown account, which is registered again', refusal('accountDoesNotExist', 400), 'ours'],
  ['an unknown type', refusal('banana', 400), 'policy'],
  ['an unknown type of a challenge', invalid('banana'), 'ours'],
  ['CAA at finalize, of both names', invalidOrder('caa', 'caa'), 'policy'],
  ['CAA of one name, DNS of the other', invalidOrder('caa', 'dns'), 'ours'],
  [
    'an order that is invalid without a reason',
    new AuthorizationFailed('a.test', 'the order is invalid'),
    'policy',
  ],
  [
    'a challenge that it does not offer',
    new AuthorizationFailed('a.test', 'wanted dns-01', undefined, 'dns-01'),
    'policy',
  ],
  ['CAA in a validation', invalid('caa'), 'policy'],
  ['a wrong answer to the challenge', invalid('unauthorized'), 'ours'],
  ['a wrong answer to the challenge, as smallstep calls it', invalid('rejectedIdentifier'), 'ours'],
  ['port 80', invalid('connection'), 'ours'],
  ["the CA's own trouble in a validation", invalid('serverInternal'), 'ca'],
  ['two names, both by CAA', joinFailures([invalid('caa'), invalid('caa', 'b.test')]), 'policy'],
  ['two names, one by CAA', joinFailures([invalid('caa'), invalid('dns', 'b.test')]), 'ours'],
  ['what the configuration asks for and no directory offers', new NotOffered('profile'), 'ours'],
  ['out of time', new AcmeDeadline('later'), 'ours'],
  ['a bug', new TypeError('bug'), 'ours'],
];

for (const [says, error, fault] of ROWS) {
  test(`whose fault: ${says} is ${fault}`, () => assert.equal(faultOf(error), fault));
}

test('a deactivated account concerns all certificates, a refused name one', () => {
  assert.equal(concernsAll(refusal('unauthorized')), true);
  assert.equal(concernsAll(refusal('rejectedIdentifier')), false);
  assert.equal(concernsAll(invalid('unauthorized')), false);
  assert.equal(concernsAll(new AcmeProblem({ type: 'about:blank' }, 404)), true);
  assert.equal(concernsAll(new TypeError('bug')), false);
});

test('a type that every object inherits has no hint', () => {
  assert.doesNotMatch(invalid('constructor').message, /function|native/);
});
