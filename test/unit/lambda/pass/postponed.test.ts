/** What a pass had no time for comes first in the next one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { afterPass } from '../../../../lambda/pass/after-pass.ts';
import { withinBudget } from '../../../../lambda/pass/limits/within-budget.ts';
import { decideAll } from '../../../../lambda/pass/plan.ts';
import { runPass } from '../../../../lambda/pass/run-pass.ts';
import { completeSurvey, surveyBucket } from '../../../../lambda/pass/survey.ts';
import type { Pass } from '../../../../lambda/pass.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { makeEntry, makePemRef } from '../../../support/issuer/documents.ts';
import { passOver, publishEntry } from '../../../support/issuer/pass.ts';

const certificates = ['missing', 'late', 'over'].map((name) => ({ identifiers: [`${name}.test`] }));

const expiringIn = (days: number) =>
  makePemRef({
    notBefore: after(noon, (days - 90) * DAY_MS).toISOString(),
    notAfter: after(noon, days * DAY_MS).toISOString(),
  });

async function orderOf(pass: Pass): Promise<string[]> {
  const staples = { revoked: new Set<string>(), isPublished: false };
  const survey = await completeSurvey(pass, await surveyBucket(pass), staples);
  return withinBudget(await decideAll(pass, survey), survey.budget).map(({ spec }) => spec.name);
}

test('what a pass had no time for comes first in the next one, behind what is almost over', async () => {
  const bucket = memoryBucket(() => noon);
  for (const [name, days] of [
    ['late.test', 20],
    ['over.test', 2],
  ] as const) {
    await publishEntry(bucket, name, makeEntry({ identifiers: [name], pems: [expiringIn(days)] }));
  }
  const { passFor } = passOver(bucket);
  const whole = passFor(certificates);
  assert.deepEqual(await orderOf(whole), ['over.test', 'missing.test', 'late.test']);

  const short = {
    ...passFor(certificates, { only: ['late.test' as never] }),
    timing: fakeClock(noon, 1_000),
  };
  const result = await runPass(short);
  await afterPass(short, undefined, result);

  assert.deepEqual(
    result.outcomes.map(({ result, reason }) => `${result} ${reason}`),
    ['postponed out-of-time'],
  );
  assert.deepEqual(await orderOf(whole), ['over.test', 'late.test', 'missing.test']);
});
