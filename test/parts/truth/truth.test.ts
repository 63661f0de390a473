// What is planted in a fleet is found and rightly named, with host and certificate (docs/fleet-truth.md has the table); a healthy fleet raises no
// alarm: `PEMFLEET_SEED=N` replays its events. One file, for what it loads takes longer than a row.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { watchHealthy } from '../../support/truth/healthy.ts';
import { testReadOnly } from '../../support/truth/read-only.ts';
import { truthRows } from '../../support/truth/rows.ts';
import { testTruth } from '../../support/truth/table.ts';

testTruth('3.2');
testReadOnly('3.2');

test('docs/fleet-truth.md has these rows, and those of read-only.ts, with the code and the figures of each', () => {
  const doc = readFileSync('docs/fleet-truth.md', 'utf8');
  const documented = new Map(
    [...doc.matchAll(/^\| `([\w-]+)` \|(.*)$/gm)].map(([, name = '', cells = '']) => [name, cells]),
  );

  const inNamespace = ['read-only-with-nothing-due', 'read-only-at-a-renewal'];
  assert.deepEqual(
    [...documented.keys()].sort(),
    [...truthRows.map(({ name }) => name), ...inNamespace].sort(),
  );
  for (const { name, line, figures } of truthRows) {
    const cells = documented.get(name) ?? '';
    for (const word of [line.code, ...figures]) assert.ok(cells.includes(`\`${word}\``), `${name}: ${word}`);
  }
});

const seed = Number(process.env['PEMFLEET_SEED'] ?? randomInt(1_000_000));

test(`100 polls of five hosts with renewals, reloads and restarts: no false alarm (seed ${seed})`, async () => {
  const { polls, falseAlarms } = await watchHealthy({ version: '3.2', polls: 100, seed });

  assert.deepEqual(falseAlarms, []);
  assert.equal(polls, 100);
});
