/** `contract.v1: auto`: manifest.json ends on proof, never because something is missing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import type { HostSummary } from '../../../../lambda/fleet/summary.ts';
import { decideVersion1, type Version1Evidence } from '../../../../lambda/fleet/version-1.ts';
import { after, noon } from '../../../support/clock.ts';

const ago = (days: number) => after(noon, -days * DAY_MS);
const host = (contract: number | undefined, days = 0, changes: Partial<HostSummary> = {}): HostSummary => ({
  etag: '"1"',
  reportedAt: ago(days),
  states: {},
  contract,
  ...changes,
});
const unreadable = (days: number) =>
  host(undefined, days, { isUnreadable: true, error: 'ERR_STATUS_VERSION' });
const summariesOf = (...hosts: HostSummary[]) =>
  Object.fromEntries(hosts.map((one, index) => [`lb${index}`, one]));

const published = { summaries: {}, version1At: undefined, isPublished: true };
const ROWS: [says: string, evidence: Partial<Version1Evidence>, isWritten: boolean, reason: string][] = [
  ['a host has an old agent', { summaries: summariesOf(host(1), host(2)) }, true, 'old-agents'],
  [
    'an old agent in a fleet without one',
    { summaries: summariesOf(host(1)), isPublished: false },
    true,
    'old-agents',
  ],
  ['an old agent sleeps for 29 days', { summaries: summariesOf(host(1, 29), host(2)) }, true, 'old-agents'],
  [
    'an old agent sleeps for 31 days',
    { summaries: summariesOf(host(1, 31), host(2)) },
    false,
    'no-old-agents',
  ],
  [
    'an old agent was shut down',
    { summaries: summariesOf(host(1, 9, { hasLeft: true }), host(2)) },
    true,
    'old-agents',
  ],
  [
    'the last old agent was upgraded 29 days ago',
    { summaries: summariesOf(host(2)), version1At: ago(29) },
    true,
    'old-agents',
  ],
  [
    'the last old agent was upgraded 31 days ago',
    { summaries: summariesOf(host(2)), version1At: ago(31) },
    false,
    'no-old-agents',
  ],
  ['all hosts read roots', { summaries: summariesOf(host(2), host(3)) }, false, 'no-old-agents'],
  ['a host claims version 0', { summaries: summariesOf(host(0), host(2)) }, true, 'old-agents'],
  ['no host has ever reported, and version 1 is there', {}, true, 'unproved'],
  ['no host has ever reported in a new fleet', { isPublished: false }, false, 'no-old-agents'],
  ['the hosts are not known now', { summaries: undefined }, true, 'unproved'],
  ['a status cannot be read', { summaries: summariesOf(host(2), unreadable(1)) }, true, 'unproved'],
  [
    'a status cannot be read for a month',
    { summaries: summariesOf(host(2), unreadable(31)) },
    false,
    'no-old-agents',
  ],
  [
    'an issuer of version 1 wrote the summaries',
    { summaries: summariesOf(host(undefined)) },
    true,
    'unproved',
  ],
];

for (const [says, evidence, isWritten, reason] of ROWS) {
  test(`contract.v1 auto: ${says}: ${isWritten ? 'written' : 'not written'} (${reason})`, () => {
    assert.deepEqual(decideVersion1('auto', { ...published, ...evidence }, noon), { isWritten, reason });
  });
}

test('contract.v1 on and off count, whatever hosts report', () => {
  const evidence = { ...published, summaries: summariesOf(host(1)), isPublished: false };

  assert.deepEqual(decideVersion1('on', evidence, noon), { isWritten: true, reason: 'configured' });
  assert.deepEqual(decideVersion1('off', evidence, noon), { isWritten: false, reason: 'configured' });
});
