// What is planted in a fleet is found and rightly named, with host and certificate: docs/fleet-truth.md has the table.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { truthRows } from '../../support/truth/rows.ts';
import { testTruth } from '../../support/truth/table.ts';

testTruth('3.2');

test('docs/fleet-truth.md has these rows, and those of read-only.test.ts, with the code and the figures of each', () => {
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
