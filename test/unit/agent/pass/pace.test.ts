import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Action, ActionKind } from '../../../../agent/deploy/action.ts';
import { pacer } from '../../../../agent/pass/pace.ts';

/** Each update takes `tookMs`. @returns the pauses before them */
async function pausesOf(pace: number | undefined, own: number, kind: ActionKind, tookMs = 5) {
  let at = 0;
  const pauses: number[] = [];
  const scene = {
    config: { haproxy: { pace } },
    haproxy: { capabilities: { pace: own } },
    now: () => new Date(at),
  };
  const paced = pacer(scene as Parameters<typeof pacer>[0], async (ms) => {
    pauses.push(ms);
    at += ms;
  });
  for (let count = 0; count < 3; count += 1) {
    await paced({ kind } as Action);
    at += tookMs;
  }
  return pauses;
}

const rows: [string, Parameters<typeof pausesOf>, number[]][] = [
  ['a HAProxy that needs none has none', [undefined, 0, 'update'], []],
  ['one that needs it gets it; the first waits for nothing', [undefined, 50, 'update'], [15, 15]],
  ['what takes longer than its turn waits for nothing', [undefined, 50, 'update', 30], []],
  ['the operator slows down', [10, 0, 'update'], [95, 95]],
  ['the operator switches it off', [0, 50, 'update'], []],
  ['what loads nothing is not held up', [undefined, 50, 'prove'], []],
];

for (const [says, input, pauses] of rows) {
  test(`pace: ${says}`, async () => {
    assert.deepEqual(await pausesOf(...input), pauses);
  });
}
