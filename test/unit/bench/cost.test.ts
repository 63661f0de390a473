/** The cost table of docs/deploy.md is the computed one. `PEMFLEET_UPDATE_SNAPSHOTS=1` writes it anew. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { metricsOf } from '../../../lambda/figures/metrics.ts';
import { costTable, SCALES, together, WATCHED } from '../../bench/cost.ts';
import { COUNTS } from '../../bench/counts.ts';
import { PRICES } from '../../bench/prices.ts';

const file = fileURLToPath(new URL('../../../docs/deploy.md', import.meta.url));
const TABLE = /\| a month \|[\s\S]*?(?=\n\n)/;

test('docs/deploy.md has the cost table that the measured counts give', () => {
  const text = readFileSync(file, 'utf8');

  if (process.env['PEMFLEET_UPDATE_SNAPSHOTS'] === '1') writeFileSync(file, text.replace(TABLE, costTable()));
  assert.equal(
    TABLE.exec(readFileSync(file, 'utf8'))?.[0],
    costTable(),
    'differs: see the head of this file',
  );
});

test('cost: each figure of a pass is a metric', () => {
  const now = new Date('2026-11-22T00:00:00Z');
  const host = { etag: '"s"', reportedAt: now, states: {}, proofs: { ageMs: 1, spanMs: 2 } };
  const figures = metricsOf({
    ...{ outcomes: [], failing: [], missing: [], unconfigured: [], failedCalls: [] },
    published: [{ fleet: 'default', certificate: 'a', notBefore: now, notAfter: now }],
    fleets: [{ fleet: 'default', manifest: undefined, summaries: { lb1: host } }],
    now,
  });

  assert.equal(Object.keys(figures).length, WATCHED.metrics);
});

test('cost: what grows with hosts is polls and reports, and the rest stands still', () => {
  const scale = { hosts: 0, certificates: 0 };
  const perHost = together({ hosts: 1, certificates: 0 }) - together(scale);

  // 43,800 polls, 730 reports, each read once by the issuer: by hand, without KMS and tags
  const byHand = (43_800 * COUNTS.idlePoll.get + 730) * PRICES.s3Get + 730 * PRICES.s3Put;
  assert.ok(perHost > byHand && perHost < byHand * 1.1, `${perHost} and ${byHand}`);
  assert.ok(together(scale) < 12, `${together(scale)}`);
  assert.deepEqual(
    SCALES.map(({ hosts }) => hosts),
    [3, 100, 3_000],
  );
});
