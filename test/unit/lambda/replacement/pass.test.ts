/** Passes obey `issuer/replace.json`: what it covers is ordered anew, the most urgent first; what was replaced is not replaced again. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { CaBudget } from '../../../../lambda/ca/budget.ts';
import { decide } from '../../../../lambda/pass/due.ts';
import { withinBudget } from '../../../../lambda/pass/limits/within-budget.ts';
import { makePlan } from '../../../../lambda/pass/plan.ts';
import { changeRequests } from '../../../../lambda/replacement/requests.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import {
  DIRECTORY_URL,
  makeDueInput,
  makeEntry,
  makePemRef,
  makeRecord,
  makeSpec,
  named,
} from '../../../support/issuer/documents.ts';
import { passOver, publishEntry } from '../../../support/issuer/pass.ts';

const hourAgo = after(noon, -HOUR_MS);
const dayAgo = after(noon, -DAY_MS);
const entryFor = (name: string, days: number, changes: Partial<ManifestEntry> = {}) =>
  makeEntry({
    identifiers: [name],
    publishedAt: dayAgo.toISOString(),
    pems: [
      makePemRef({
        sha256: createHash('sha256').update(name).digest('hex'),
        notAfter: after(noon, days * DAY_MS).toISOString(),
      }),
    ],
    ...changes,
  });

test('what is covered is ordered, whatever its window says', () => {
  const window = { start: after(noon, DAY_MS), end: after(noon, 2 * DAY_MS), renewAt: after(noon, DAY_MS) };
  const windows = new Map([[makePemRef().certId ?? '', window]]);

  const decision = decide(makeDueInput({ windows, replaceSince: hourAgo }));

  assert.deepEqual(decision, { action: 'obtain', reason: 'replacement', directoryUrl: DIRECTORY_URL });
});

test('an order that was placed before the request is not continued: its key is older, and what it waits for does not count', () => {
  const record = makeRecord({ createdAt: dayAgo, failures: 3, notBefore: after(noon, DAY_MS) });

  const decision = decide(makeDueInput({ record, replaceSince: hourAgo }));

  assert.equal(decision.reason, 'replacement');
});

test('an order that was placed since is continued, and backs off when it fails', () => {
  const record = makeRecord({ createdAt: noon, failures: 1, notBefore: after(noon, HOUR_MS) });

  assert.equal(decide(makeDueInput({ record, replaceSince: hourAgo })).reason, 'backing-off');
  assert.equal(
    decide(makeDueInput({ record, replaceSince: hourAgo, now: after(noon, HOUR_MS) })).reason,
    'retry',
  );
});

test('replaced with a fresh key, also where the key is reused at renewals', () => {
  const subject = { spec: makeSpec({ reuseKey: true }), published: makeEntry(), stored: undefined };
  const { spec: _, published: __, record: ___, ...context } = makeDueInput();

  const plan = makePlan({ ...subject, isFreshKey: false, replaceSince: hourAgo }, context);

  assert.equal(plan.isFreshKey, true);
});

test('the revoked ones first, then those with the least time left', () => {
  const { spec: _, published: __, record: ___, ...context } = makeDueInput();
  const revoked = entryFor('revoked', 80);
  const plans = [entryFor('late', 70), entryFor('soon', 10), revoked].map((published) =>
    makePlan(
      {
        spec: makeSpec({
          name: named(published.identifiers[0] ?? ''),
          identifiers: published.identifiers as string[],
        }),
        ...{ published, stored: undefined, isFreshKey: false, replaceSince: hourAgo },
      },
      { ...context, revoked: new Set([revoked.pems[0]?.sha256 ?? '']) },
    ),
  );
  const silent = { bucket: memoryBucket(), log: () => undefined };
  const budget = new CaBudget({ ...silent, now: () => noon }, { version: 1, cas: {}, sets: {} });

  const names = withinBudget(plans, budget).map(({ spec }) => spec.name);

  assert.deepEqual(names, ['revoked', 'soon', 'late']);
});

const NAMES = ['old.test', 'new.test'];
const SPECS = NAMES.map((name) => ({ identifiers: [name] }));

async function bucketWithOldAndNew() {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'old.test', entryFor('old.test', 80));
  await publishEntry(bucket, 'new.test', entryFor('new.test', 80, { publishedAt: noon.toISOString() }));
  return bucket;
}

test('a pass orders what was published before the request, and nothing else; it says how far it has come', async () => {
  const bucket = await bucketWithOldAndNew();
  const scope = { all: true } as const;
  await changeRequests(bucket, () => [{ at: hourAgo.toISOString(), scope, certificates: 2 }]);
  const { run, events } = passOver(bucket);

  const outcomes = await run(SPECS);

  assert.deepEqual(
    outcomes.map(({ certificate, result, reason }) => `${certificate}: ${result} ${reason}`),
    // Its CA is out of reach in these tests.
    ['old.test: failed replacement', 'new.test: kept fresh'],
  );
  assert.deepEqual(events.fieldsOf('replacement.progress'), [{ replaced: 0, failed: 1, left: 1 }]);
});

test('a document that cannot be read is said to be so, and stops nothing', async () => {
  const bucket = await bucketWithOldAndNew();
  bucket.plant(layout.replacements, '{"version":1,"requests":7}');
  const { run, events } = passOver(bucket);

  const outcomes = await run(SPECS);

  assert.deepEqual(new Set(outcomes.map(({ result }) => result)), new Set(['kept']));
  assert.equal(events.fieldsOf('replacement.failed')[0]?.['code'], 'ERR_REPLACE_REQUEST');
});
