/** What people see of several CAs of one host, and of an account that is not the configured one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcmeProblem, NoAcmeAnswer } from '../../../../../lambda/acme/problem.ts';
import type { Ca } from '../../../../../lambda/ca/ca.ts';
import { accountProblemOf } from '../../../../../lambda/pass/caa/ca-terms.ts';
import { caNameOf } from '../../../../../lambda/preflight/caa-report.ts';
import { checkCas } from '../../../../../lambda/preflight/check-cas.ts';
import { DIRECTORY_URL } from '../../../../support/issuer/documents.ts';
import { unreachableCa } from '../../../../support/issuer/pass.ts';

test('a CA is called by its host, and by its path where another one has the same host', () => {
  const [a, b, other] = [
    'https://ca.test/a/directory',
    'https://ca.test/b/directory',
    'https://other.test/d',
  ];

  assert.equal(caNameOf(a, [a, a, other]), 'ca.test');
  assert.deepEqual(
    [caNameOf(a, [a, b]), caNameOf(b, [a, b])],
    ['ca.test/a/directory', 'ca.test/b/directory'],
  );
});

test('acme.accountUri that is not our account is a problem; without an account, or without it, nothing is known', () => {
  const ours = 'https://ca.test/account/1';

  assert.match(
    accountProblemOf({ accountUri: `${ours}0` }, { accountUrl: ours }).accountProblem ?? '',
    /acme\.accountUri is https:\/\/ca\.test\/account\/10, and our account https:\/\/ca\.test\/account\/1:/,
  );
  for (const [accountUri, accountUrl] of [
    [ours, ours],
    [undefined, ours],
    [ours, undefined],
  ]) {
    assert.deepEqual(accountProblemOf({ accountUri }, { accountUrl }), {});
  }
});

for (const [says, error, result, advice] of [
  [
    'it has an error of its own',
    new AcmeProblem({ type: 'serverInternal' }, 500),
    'unknown',
    /ask again later/,
  ],
  ['it gives no answer in time', new NoAcmeAnswer('too slow'), 'unknown', /ask again later/],
  [
    'it refuses the account',
    new AcmeProblem({ type: 'urn:ietf:params:acme:error:unauthorized' }, 403),
    'failed',
    /pemfleet account/,
  ],
] as const) {
  test(`plan --check sends nobody to another account unless the CA refuses it: ${says}`, async () => {
    const client = { accountUrl: 'https://ca.test/account/1', post: () => Promise.reject(error) };
    const ca = {
      ...unreachableCa(),
      freshDirectory: async () => ({ date: undefined }),
      directory: async () => ({}),
      storedAccount: async () => client,
    } as unknown as Ca;

    const findings = await checkCas(new Map([[DIRECTORY_URL, ca]]), [], () => new Date());

    const finding = findings.find(({ check }) => check === 'account');
    assert.equal(finding?.result, result);
    assert.match(finding?.advice ?? '', advice);
  });
}
