// When an upgraded host counts as proved, by what it reported before and what it reports after.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proveUpgrade } from '../../../../lambda/agents/prove-upgrade.ts';
import { isReadable, type ReadStatus } from '../../../../lambda/fleet/read-status.ts';

const [BEFORE, AFTER] = ['2026-11-28T00:00:00.000Z', '2026-11-28T00:05:00.000Z'];

function reportOf(version: string, at: string, files: readonly string[], more: object = {}): ReadStatus {
  const status = {
    ...{ fleet: 'edge', host: 'i-0aaa', reportedAt: at, agent: { version }, haproxy: [] },
    files: files.map((file) => ({ file, certificate: file, state: 'served', provenAt: at, ...more })),
  } as unknown as ReadStatus;
  assert.ok(isReadable(status));
  return status;
}

const before = reportOf('0.1.0', BEFORE, ['a.pem', 'b.pem']);

test('all that was served is served, by a new handshake: proved', () => {
  const after = reportOf('0.2.0', AFTER, ['a.pem', 'b.pem', 'new.pem']);

  assert.deepEqual(proveUpgrade(before, after, '0.2.0'), { state: 'proved', why: '' });
});

test('a file that the former agent served and the new one does not report: not proved', () => {
  const after = reportOf('0.2.0', AFTER, ['a.pem']);

  assert.deepEqual(proveUpgrade(before, after, '0.2.0'), {
    state: 'waiting',
    why: 'b.pem: is not in its report any more',
  });
});

test('a report of the former agent: it is waited for', () => {
  const after = reportOf('0.1.0', AFTER, ['a.pem', 'b.pem']);

  assert.deepEqual(proveUpgrade(before, after, '0.2.0'), { state: 'waiting', why: 'runs agent 0.1.0' });
});

const unreachable = { unproven: { since: BEFORE, reason: 'unreachable', message: 'ECONNREFUSED' } };
const stale = { provenAt: BEFORE };

for (const [says, former, next, expected] of [
  ['as old as before', {}, stale, 'waiting'],
  ['of an address that does not answer any more, later than the last report', {}, unreachable, 'waiting'],
  ['of an address that did not answer before', { ...unreachable }, { ...unreachable, ...stale }, 'proved'],
  ['of an address that answers again', { ...unreachable }, {}, 'proved'],
  ['no longer there, where none was before', { provenAt: undefined }, { provenAt: undefined }, 'proved'],
] as const) {
  test(`everything is served, the last handshake is ${says}: ${expected}`, () => {
    const [was, is] = [
      reportOf('0.1.0', BEFORE, ['a.pem'], former),
      reportOf('0.2.0', AFTER, ['a.pem'], next),
    ];

    assert.equal(proveUpgrade(was, is, '0.2.0').state, expected);
  });
}
