/** The pre-flight with many names, and with a bucket that keeps its token. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { http01Solver } from '../../../../lambda/challenge/http01.ts';
import type { CaTerms } from '../../../../lambda/pass/caa/ca-terms.ts';
import { readCaa } from '../../../../lambda/preflight/caa-report.ts';
import { checkResponder } from '../../../../lambda/preflight/check-responder.ts';
import { readPersistRecords } from '../../../../lambda/preflight/dns-records.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, makeSpec } from '../../../support/issuer/documents.ts';
import { onlySolver } from '../../../support/issuer/only-solver.ts';

const ca: CaTerms = {
  ...{ directoryUrl: DIRECTORY_URL, accountUri: 'https://ca.test/account/1', account: undefined },
  ...{ caaIdentities: ['ca.test'], issuerDomainNames: ['ca.test'] },
};
const names = Array.from({ length: 200 }, (_, index) => `n${index}.test`);
const certificates = [makeSpec({ identifiers: names, challenge: ['dns-persist-01'] })];

/** @returns the DNS, and how many questions it had at the same time */
function slowDns<T>(value: T) {
  const counts = { asked: 0, open: 0, most: 0 };
  const lookup = async () => {
    counts.asked += 1;
    counts.open += 1;
    counts.most = Math.max(counts.most, counts.open);
    await new Promise((resolve) => setImmediate(resolve));
    counts.open -= 1;
    return value;
  };
  return { counts, lookup };
}

test('CAA: 200 names are asked for, 20 at the same time, in the order of the configuration', async () => {
  const { counts, lookup } = slowDns({ at: undefined, records: [] });

  const { checks } = await readCaa(certificates, [ca], lookup);

  assert.deepEqual([counts.asked, counts.most], [200, 20]);
  assert.deepEqual(
    checks.map(({ identifier }) => identifier),
    names,
  );
});

for (const [says, fault, result, problem] of [
  ['is not registered yet', undefined, 'denied', /another account than ours \(which is not registered yet\)/],
  [
    'is not known, because its CA gives no answer',
    { code: 'ERR_ACME_UNREACHABLE', message: 'GET https://ca.test/directory: ECONNREFUSED' },
    'unknown',
    /names an account, and which one is ours is not known: GET https:\/\/ca\.test\/directory: ECONNREFUSED/,
  ],
] as const) {
  test(`CAA that names an account, where ours ${says}, is ${result}`, async () => {
    const value = 'ca.test; accounturi=https://ca.test/account/1';
    const records = [{ isCritical: false, tag: 'issue', value }];
    const terms = { ...ca, accountUri: undefined, ...(fault && { fault }) };

    const { checks } = await readCaa([makeSpec()], [terms], async () => ({ at: 'a.test', records }));

    assert.equal(checks[0]?.result, result);
    assert.match(checks[0]?.problem ?? '', problem);
  });
}

test('records of dns-persist-01: 200 names are asked for, 20 at the same time', async () => {
  const { counts, lookup } = slowDns<readonly string[]>([]);

  const records = await readPersistRecords(certificates, [ca], lookup, () => noon);

  assert.deepEqual([records.length, counts.asked, counts.most], [200, 200, 20]);
});

test('a token that cannot be removed is one more finding, and hides none', async () => {
  const denied = () => Promise.reject(new Error('AccessDenied'));
  const solver = { ...http01Solver(memoryBucket()), cleanUp: denied };

  const findings = await checkResponder({
    certificates: [makeSpec({ identifiers: ['127.0.0.1'] })],
    solvers: onlySolver(solver),
    resolve: async () => ({ addresses: [] }),
    ...{ thumbprint: undefined, allowPrivate: false },
  });

  assert.deepEqual(
    findings.map(({ result, subject }) => [result, subject]),
    [
      ['unknown', '127.0.0.1'],
      ['failed', 'the bucket'],
    ],
  );
  assert.match(findings[1]?.saw ?? '', /AccessDenied: the token \S{32} is left$/);
});
