/** Passes replace many certificates at Pebble: one fails, the next pass goes on, and nothing is replaced twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import { parse } from '#contract/combined-pem.ts';
import { layout } from '#contract/layout.ts';
import { cancelRequests, changeRequests } from '../../../lambda/replacement/requests.ts';
import { fleet, named } from '../../support/issuer/documents.ts';
import { readPublished } from '../../support/issuer/signing.ts';
import { startStage } from '../../support/issuer/stage.ts';

const names = ['a.test', 'b.test', 'c.test'];
const certificates = names.map((name) => ({ identifiers: [name], reuseKey: true }));

test('what a request covers is replaced once, with a fresh key, also after a pass that did not come to its end', async (t) => {
  const { bucket, pass, failNext, advance, events } = await startStage(t);
  const published = async () => {
    const { certificates: entries } = (await readPublished(bucket, fleet))?.manifest ?? { certificates: {} };
    return names.map((name) => {
      const [pem] =
        (entries as Record<string, { pems: { sha256: string; serial: string }[] }>)[name]?.pems ?? [];
      const text = bucket.text(layout.pem(fleet, named(name), pem?.sha256 ?? '')) ?? '';
      return { serial: pem?.serial, key: parse(text).key.export({ type: 'pkcs8', format: 'pem' }) };
    });
  };
  await pass(certificates);
  const before = await published();
  advance(MINUTE_MS);
  const at = new Date(Date.now() + MINUTE_MS).toISOString();
  await changeRequests(bucket, () => [{ at, scope: { all: true }, certificates: 3 }]);
  advance(MINUTE_MS);
  failNext(({ url }) => url.includes('order-plz'), 'request');

  const first = await pass(certificates);
  advance(5 * MINUTE_MS);
  const second = await pass(certificates);
  const after = await published();
  const third = await pass(certificates);

  const reasons = (outcomes: typeof first) =>
    outcomes.map(({ result, reason }) => `${result} ${reason}`).sort();
  assert.deepEqual(reasons(first), ['failed replacement', 'issued replacement', 'issued replacement']);
  assert.deepEqual(reasons(second), ['issued retry', 'kept fresh', 'kept fresh']);
  assert.deepEqual(reasons(third), ['kept fresh', 'kept fresh', 'kept fresh']);
  for (const [index, old] of before.entries()) {
    assert.notEqual(after[index]?.serial, old.serial);
    assert.notEqual(after[index]?.key, old.key, 'reuseKey holds for renewals only');
  }
  assert.deepEqual(events.fieldsOf('replacement.progress'), [
    { replaced: 2, failed: 1, left: 1 },
    { replaced: 1, failed: 0, left: 0 },
  ]);
});

test('a request that was cancelled replaces nothing', async (t) => {
  const { bucket, pass, advance } = await startStage(t);
  await pass(certificates);
  advance(MINUTE_MS);
  const at = new Date(Date.now() + MINUTE_MS / 2).toISOString();
  await changeRequests(bucket, () => [{ at, scope: { all: true }, certificates: 3 }]);
  await cancelRequests(bucket);

  const outcomes = await pass(certificates);

  assert.deepEqual(new Set(outcomes.map(({ result }) => result)), new Set(['kept']));
});
