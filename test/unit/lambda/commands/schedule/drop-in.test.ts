/** The timer that `pemfleet timer` prints. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timerDropIn } from '../../../../../lambda/commands/schedule/drop-in.ts';

for (const [minutes, starts, spread] of [
  [5, 'OnCalendar=*:04/5', '1min'],
  [15, 'OnCalendar=*:07/15', '3min'],
  [30, 'OnCalendar=*:07/30', '6min'],
  [60, 'OnCalendar=*:07', '10min'],
  [120, 'OnCalendar=0/2:07', '10min'],
  [23, 'OnActiveSec=2min\nOnUnitActiveSec=23min', '4min'],
  [720, 'OnCalendar=0/12:07', '10min'],
  [1440, 'OnCalendar=00:07', '10min'],
] as const) {
  test(`every ${minutes} minutes`, () => {
    const lines = timerDropIn(minutes)
      .split('\n')
      .filter((line) => !line.startsWith('#'));

    assert.equal(lines.join('\n'), `[Timer]\nOnCalendar=\n${starts}\nRandomizedDelaySec=${spread}\n`);
  });
}
