// systemd itself reads each start that `pemfleet timer` prints: a timer that it refuses never starts a pass again.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { timerDropIn } from '../../../lambda/commands/schedule/drop-in.ts';

test('systemd takes every start, from each five minutes to once a day', () => {
  const texts = Array.from({ length: 1436 }, (_, index) => timerDropIn(index + 5));
  const starts = new Set(
    texts.flatMap((text) => [...text.matchAll(/^OnCalendar=(.+)$/gm)].map(([, start]) => start)),
  );
  const spans = new Set(texts.flatMap((text) => [...text.matchAll(/Sec=(.+)$/gm)].map(([, span]) => span)));

  const calendar = spawnSync('systemd-analyze', ['calendar', ...([...starts] as string[])], {
    encoding: 'utf8',
  });
  const timespan = spawnSync('systemd-analyze', ['timespan', ...([...spans] as string[])], {
    encoding: 'utf8',
  });

  assert.equal(calendar.error, undefined, 'systemd-analyze is missing: apt-get install systemd');
  assert.deepEqual([calendar.status, calendar.stderr], [0, '']);
  assert.deepEqual([timespan.status, timespan.stderr], [0, '']);
  assert.ok(starts.size > 10 && spans.size > 100);
});
