/** docs/limits.md shows the table of known CAs as the code has it. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { KNOWN_CAS, type KnownCa } from '../../../../lambda/config/known-cas.ts';
import { LIMIT_KINDS, type Limit, type LimitKind } from '../../../../lambda/config/limits.ts';

const UNITS: [ms: number, unit: string][] = [
  [DAY_MS, 'd'],
  [HOUR_MS, 'h'],
  [MINUTE_MS, 'min'],
  [SECOND_MS, 's'],
];

/** In the largest unit of which there are at least two, or one exactly. */
function span(ms: number): string {
  const [size, unit] = UNITS.find(([one]) => ms >= 2 * one || ms === one) ?? [SECOND_MS, 's'];
  return `${Number((ms / size).toFixed(1)).toLocaleString('en')} ${unit}`;
}

function rowsOf(ca: KnownCa): string[] {
  const source = `[${ca.readOn}](${ca.source})`;
  const kinds = LIMIT_KINDS.filter((kind) => ca.limits[kind] !== undefined);
  if (kinds.length === 0) return [`| ${ca.name} | nothing | ${ca.note} | | | ${source} |`];
  return kinds.map((kind) => {
    const { count, perMs } = ca.limits[kind] as Limit;
    const limit = `${count.toLocaleString('en')} in ${span(perMs)}`;
    return `| ${ca.name} | \`${kind}\` | ${limit} | ${span(perMs / count)} | ${exempt(ca, kind)} | ${source} |`;
  });
}

function exempt(ca: KnownCa, kind: LimitKind): string {
  const [inWindow, sameNames] = [ca.exemptInWindow.includes(kind), ca.exemptSameNames.includes(kind)];
  return [...(inWindow ? ['in the window'] : []), ...(sameNames ? ['same names'] : [])].join(', ');
}

test('docs/limits.md lists each limit of each known CA, with its source and date', () => {
  const page = readFileSync('docs/limits.md', 'utf8');
  const rows = page.split('\n').filter((line) => /^\| (?!CA \|)/.test(line));

  assert.deepEqual(rows, KNOWN_CAS.flatMap(rowsOf));
});
