// Whatever an issuer stored while its clock was a year ahead delays nothing once the clock is right (issue 15, clocks).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { AcmeProblem } from '../../../../lambda/acme/problem.ts';
import { readCaBudget } from '../../../../lambda/ca/budget.ts';
import { admitWriter } from '../../../../lambda/identity/writers.ts';
import { decide } from '../../../../lambda/pass/due.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, makeDueInput, makeRecord } from '../../../support/issuer/documents.ts';

const nextYear = after(noon, 365 * DAY_MS);
const request = { directoryUrl: DIRECTORY_URL, identifiers: ['a.test'], count: 1 };

/** What a pass leaves behind, read by one with another clock. */
async function stage() {
  const bucket = memoryBucket();
  const open = (at: Date) =>
    readCaBudget({ bucket, config: { ordersPer3Hours: 1 }, now: () => at, log: () => undefined });
  return { bucket, open };
}

test('a record that was made then, and left by a kill, is resumed', () => {
  const record = makeRecord({ createdAt: nextYear, notBefore: nextYear });

  assert.equal(decide(makeDueInput({ record })).action, 'resume');
});

test('a back-off that is longer than any CA can ask for is over', () => {
  const failed = { at: noon, code: 'ERR_AUTHORIZATION', message: '', isCaFault: false };
  const until = (days: number) =>
    makeRecord({ createdAt: noon, failures: 1, lastFailure: failed, notBefore: after(noon, days * DAY_MS) });

  assert.equal(decide(makeDueInput({ record: until(49) })).action, 'resume');
  assert.equal(decide(makeDueInput({ record: until(31) })).action, 'defer');
});

test('a pause of then is over, and a new failure pauses the CA anew', async () => {
  const { open } = await stage();
  const rateLimited = new AcmeProblem({ type: 'urn:ietf:params:acme:error:rateLimited' }, 429);
  const ahead = await open(nextYear);
  ahead.recordFailure(DIRECTORY_URL, rateLimited, true);
  await ahead.save();

  const budget = await open(noon);
  const before = budget.pausedUntil(DIRECTORY_URL);
  budget.recordFailure(DIRECTORY_URL, rateLimited, true);

  assert.equal(before, undefined);
  assert.deepEqual(budget.pausedUntil(DIRECTORY_URL), after(noon, 30 * MINUTE_MS));
});

test('an outage of then is over, and counts again', async () => {
  const { open } = await stage();
  const outage = new AcmeProblem({ type: 'about:blank' }, 500);
  for (const pass of [0, 1, 2]) {
    const ahead = await open(after(nextYear, pass * HOUR_MS));
    ahead.recordFailure(DIRECTORY_URL, outage, false);
    await ahead.save();
  }

  const budget = await open(noon);
  const before = budget.avoidedUntil(DIRECTORY_URL);
  budget.recordFailure(DIRECTORY_URL, outage, false);

  assert.equal(before, undefined);
  assert.equal(budget.state.cas[DIRECTORY_URL]?.outage?.at, noon);
});

test('orders and certificates of then use up no budget', async () => {
  const { bucket, open } = await stage();
  const ahead = await open(nextYear);
  ahead.reserve(request);
  for (let issued = 0; issued < 5; issued += 1) ahead.recordIssued(request);
  await ahead.save();

  const budget = await open(noon);

  assert.equal(budget.reserve(request).held, undefined);
  await budget.save();
  assert.doesNotMatch(bucket.text(layout.caState) ?? '', /2027/);
});

test('an issuer of then has no say, and one that works is dated anew', () => {
  const [mine, theirs] = ['a'.repeat(64), 'b'.repeat(64)];
  const identity = { id: 'me', label: 'me' };
  const lastSeen = nextYear.toISOString();
  const other = { identity: 'gone', label: 'gone', config: theirs, lastSeen };

  const admission = admitWriter({ version: 1, writers: [other] }, { identity, config: mine }, noon);
  const again = admitWriter(
    { version: 1, writers: [{ identity: 'me', label: 'me', config: mine, lastSeen }] },
    { identity, config: mine },
    noon,
  );

  assert.ok(admission.isAdmitted && again.isAdmitted);
  assert.deepEqual(
    [...admission.writers.writers, ...again.writers.writers].map((writer) => writer.lastSeen),
    [noon.toISOString(), noon.toISOString()],
  );
});
