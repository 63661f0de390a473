import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { hostName } from '#contract/layout.ts';
import { missingHosts } from '../../../../lambda/fleet/expected.ts';
import { after, noon } from '../../../support/clock.ts';

const names = ['lb1', 'lb2', 'lb3'].map((name) => hostName.parse(name));
const rebooting = { host: 'lb2', leftAt: after(noon, -10 * MINUTE_MS) };
const removed = { host: 'lb2', leftAt: after(noon, -4 * HOUR_MS) };

for (const [says, expected, hosts, missing] of [
  ['nothing is expected', undefined, [], []],
  ['of three by name, two have come', names, [{ host: 'lb1' }, { host: 'lb3' }], ['lb2']],
  ['one is away for a reboot', names, [{ host: 'lb1' }, rebooting, { host: 'lb3' }], []],
  ['one left hours ago', names, [{ host: 'lb1' }, removed, { host: 'lb3' }], ['lb2']],
  ['others have come than those that are listed', names.slice(0, 1), [{ host: 'lb9' }], ['lb1']],
] as const) {
  test(`hosts are missing where ${says}: ${missing.length}`, () => {
    assert.deepEqual(missingHosts(expected && [...expected], hosts, noon), {
      ...{ count: missing.length, names: missing, expected: expected?.length ?? 0 },
    });
  });
}

test('by number, too many are none too few', () => {
  const two = [{ host: 'lb1' }, { host: 'lb2' }];

  assert.deepEqual(
    [1, 2, 3].map((expected) => missingHosts(expected, two, noon).count),
    [0, 0, 1],
  );
});
