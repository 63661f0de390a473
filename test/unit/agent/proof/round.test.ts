import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProofPace } from '../../../../agent/proof/pace.ts';
import { pauseBefore, type RoundEntry, roundOf } from '../../../../agent/proof/round.ts';

const MINUTE_MS = 60_000;
const noon = Date.parse('2026-11-22T12:00:00Z');

const entry = (name: string, changes: Partial<RoundEntry> = {}) => ({
  name,
  attempt: { at: noon - MINUTE_MS, pid: 7 },
  pid: 7,
  changedAt: noon,
  handshakes: 1,
  ...changes,
});
const rates = (total: number) => ({ total, proveWithinMs: 10 * MINUTE_MS, pace: new ProofPace() });
const namesIn = (entries: readonly { name: string }[]) => entries.map(({ name }) => name);

test('no proof, or another worker’s, comes first, the latest change before others; then the oldest proof', () => {
  const entries = [
    entry('young'),
    entry('old', { attempt: { at: noon - 9 * MINUTE_MS, pid: 7 } }),
    entry('other worker', { attempt: { at: noon, pid: 6 }, changedAt: noon - 1000 }),
    entry('new', { attempt: undefined }),
  ];

  assert.deepEqual(namesIn(roundOf(entries, noon)), ['new', 'other worker', 'old', 'young']);
});

test('a proof of the future, of a clock that was ahead, is the oldest; a clock that is set forward makes no burst', () => {
  const entries = [entry('young'), entry('of the future', { attempt: { at: noon + MINUTE_MS, pid: 7 } })];

  assert.deepEqual(namesIn(roundOf(entries, noon)), ['of the future', 'young']);
  const [first] = roundOf(entries, noon + 365 * 1440 * MINUTE_MS);
  assert.equal(first && pauseBefore(first, rates(2)), 285_000);
});

for (const [count, spanMinutes] of [
  [1, 10],
  [2300, 10],
  [10_000, 43],
  [50_000, 217],
] as const) {
  test(`${count} handshakes: each has its turn within ${spanMinutes} minutes, at 1 % of a core at most`, () => {
    const pauseMs = pauseBefore(entry('one'), rates(count));

    assert.ok(pauseMs >= 260, String(pauseMs));
    assert.ok(pauseMs * count <= new ProofPace().spanOf(count, 10 * MINUTE_MS));
    assert.equal(Math.round(new ProofPace().spanOf(count, 10 * MINUTE_MS) / MINUTE_MS), spanMinutes);
  });
}

test('what is due at once keeps the pace, too; a file that is proved on three binds takes the time of three', () => {
  assert.equal(pauseBefore(entry('new', { attempt: undefined }), rates(8)), 260);
  assert.equal(pauseBefore(entry('new', { attempt: undefined, handshakes: 3 }), rates(8)), 780);
});
