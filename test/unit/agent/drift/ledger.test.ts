import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { MAX_DRIFTS } from '#contract/host-status.ts';
import { driftStatus, withDrifts } from '../../../../agent/drift/ledger.ts';
import type { DriftRecord } from '../../../../agent/state/left.ts';

const start = new Date('2026-11-01T02:00:00Z');
const after = (ms: number) => new Date(start.getTime() + ms);
const edited = (file = 'shop.pem') => ({
  ...({ kind: 'file-edited', place: 'file', file, certificate: file.replace('.pem', '') } as const),
  culprit: 'file of root (uid 0)',
});

/** One drift at each of these times. */
function ledgerOf(times: readonly Date[]): readonly DriftRecord[] {
  return times.reduce<readonly DriftRecord[]>((ledger, now) => withDrifts(ledger, [edited()], now), []);
}

test('what returns every night is one entry, with its first and last time, its count and its days', () => {
  const nights = [0, 1, 2, 2.01].map((days) => after(days * DAY_MS));

  assert.deepEqual(driftStatus(ledgerOf(nights)), [
    {
      kind: 'file-edited',
      file: 'shop.pem',
      certificate: 'shop',
      first: '2026-11-01T02:00:00.000Z',
      at: '2026-11-03T02:14:24.000Z',
      count: 4,
      days: 3,
      culprit: 'file of root (uid 0)',
    },
  ]);
});

test('another kind, or another file, is another entry; the latest comes first', () => {
  let ledger = withDrifts([], [edited('a.pem')], start);
  ledger = withDrifts(
    ledger,
    [{ ...edited('a.pem'), kind: 'file-missing' }, edited('b.pem')],
    after(HOUR_MS),
  );

  assert.deepEqual(
    driftStatus(ledger)?.map(({ kind, file, count }) => [kind, file, count]),
    [
      ['file-missing', 'a.pem', 1],
      ['file-edited', 'b.pem', 1],
      ['file-edited', 'a.pem', 1],
    ],
  );
});

test('14 days after the last time it is gone, and its days go one by one', () => {
  const ledger = ledgerOf([start, after(10 * DAY_MS)]);

  assert.equal(driftStatus(withDrifts(ledger, [], after(13 * DAY_MS)))?.[0]?.days, 2);
  assert.equal(driftStatus(withDrifts(ledger, [], after(20 * DAY_MS)))?.[0]?.days, 1);
  assert.equal(driftStatus(withDrifts(ledger, [], after(25 * DAY_MS))), undefined);
  assert.equal(withDrifts(ledger, [], after(11 * DAY_MS)), ledger, 'the same where nothing has changed');
});

test('what was found while the clock was a year ahead ends like everything else', () => {
  const ahead = ledgerOf([after(365 * DAY_MS)]);
  const [now] = driftStatus(withDrifts(ahead, [], start)) ?? [];

  assert.deepEqual([now?.at, now?.first, now?.days], [start.toISOString(), start.toISOString(), 1]);
  const kept = withDrifts(ahead, [], start);
  assert.deepEqual(withDrifts(kept, [], after(15 * DAY_MS)), []);
});

test('of thousands at once, those are kept that return', () => {
  const many = Array.from({ length: 2000 }, (_, index) => edited(`c${index}.pem`));
  const returning = edited('z.pem');
  let ledger = withDrifts([], [returning], start);
  ledger = withDrifts(ledger, [...many, returning], after(DAY_MS));

  assert.equal(ledger.length, MAX_DRIFTS);
  assert.deepEqual([ledger[0]?.file, ledger[0]?.count], ['z.pem', 2]);
});
