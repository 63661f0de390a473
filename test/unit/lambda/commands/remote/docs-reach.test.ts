/** docs/cli.md shows which command goes through the function, and by which alias. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REACH } from '../../../../../lambda/commands/remote/reach.ts';
import { textOf } from '../../../../support/sources.ts';

test('docs/cli.md shows the table', () => {
  const rows = [...textOf('docs/cli.md').matchAll(/^\| (the alias `(?:read|change)`|never) \| ([^|]+) \|/gm)];
  const shown = rows.map(([, by = '', cell = '']) => [
    by,
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name).sort(),
  ]);
  const named = (wanted: string) =>
    Object.entries(REACH).flatMap(([name, reach]) =>
      (typeof reach === 'string' ? reach : 'never') === wanted ? [name] : [],
    );

  assert.deepEqual(shown, [
    ['the alias `read`', named('read').sort()],
    ['the alias `change`', named('change').sort()],
    ['never', named('never').sort()],
  ]);
});
