/** What the pre-flight says of the limits of a CA. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CaBudget } from '../../../../lambda/ca/budget.ts';
import { readCaState } from '../../../../lambda/ca/state.ts';
import { DIRECTORIES } from '../../../../lambda/config/known-cas.ts';
import { checkLimits } from '../../../../lambda/preflight/check-limits.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import { makeConfig } from '../../../support/issuer/documents.ts';

const directoryUrl = DIRECTORIES['letsencrypt'] ?? '';
const acme = { directoryUrl, termsOfServiceAgreed: true };
const identifiers = ['www.example.com'];

async function stage(settings: object = { acme }) {
  const config = makeConfig([{ identifiers }], settings);
  const bucket = memoryBucket();
  const options = { bucket, config, now: () => noon, log: () => undefined };
  const budget = new CaBudget(options, await readCaState(bucket));
  const check = () => checkLimits(budget.state, config, config.certificates, noon);
  return { budget, check };
}

test('limits: an account that has ordered nothing has all of its new orders', async () => {
  const { check } = await stage();

  const findings = check();

  assert.deepEqual(
    findings.map(({ result, saw, wanted }) => [result, saw, wanted]),
    [['ok', '250 of 250 left', 'room within 250 new orders of the account in 3 h']],
  );
});

test('limits: what is used up is told, and is no fault while nothing has to be ordered', async () => {
  const { budget, check } = await stage();
  const all = { directoryUrl, identifiers, count: 5 };
  budget.release(budget.reserve(all), all.count);
  budget.recordIssued(all);

  const seen = check().map(({ result, saw, wanted }) => `${result}: ${saw}, ${wanted}`);

  assert.ok(seen.includes('ok: 245 of 250 left, room within 250 new orders of the account in 3 h'));
  assert.ok(seen.includes('ok: 45 of 50 left, room within 50 certificates of example.com in 7 days'));
  assert.ok(seen.includes('unknown: 0 of 5 left, room within 5 certificates of these names in 7 days'));
});

test('limits: a CA without limits has none to check', async () => {
  const { check } = await stage({});

  assert.deepEqual(check(), []);
});
