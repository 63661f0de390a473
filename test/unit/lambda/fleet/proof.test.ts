/** When hosts have proved what takes another certificate's place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { ABSENT_AFTER_MS, type FileStatus, type HostStatus } from '#contract/host-status.ts';
import type { CertificateName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { hostsUnproven, hostsWithoutProof } from '../../../../lambda/fleet/proof.ts';
import { after, noon } from '../../../support/clock.ts';
import { makeEntry, makeHostStatus, makePemRef, named } from '../../../support/issuer/documents.ts';

const [A, B] = ['a'.repeat(64), 'b'.repeat(64)];
const by = new Map<CertificateName, ManifestEntry>([
  [named('new'), makeEntry({ pems: [makePemRef({ sha256: A })] })],
]);
const successors = { of: named('old'), by };

function makeFile(changes: Partial<FileStatus> = {}): FileStatus {
  const { certificate = named('new') } = changes;
  return {
    ...{ file: `${certificate}.pem`, certificate, state: 'served' },
    ...{ since: noon.toISOString(), wanted: { sha256: A, serial: '0A' } },
    ...changes,
  };
}

const host = (name: string, files: FileStatus[], changes: Partial<HostStatus> = {}) =>
  makeHostStatus(name, { files, ...changes });

/** What behind.ts makes of a whole report. */
const stateOf = ({ files }: HostStatus, certificate: string, wanted: ReadonlySet<string>) => {
  const file = files.find((one) => one.certificate === certificate && wanted.has(one.wanted.sha256));
  return { state: file?.state ?? 'pending' } as const;
};
const without = (...statuses: HostStatus[]) => hostsWithoutProof(statuses, successors, stateOf, noon);

test('each living host has to serve what is published now', () => {
  const proves = host('lb1', [makeFile()]);

  assert.deepEqual(without(proves), []);
  assert.deepEqual(without(proves, host('lb2', [])), ['lb2']);
  assert.deepEqual(without(proves, host('lb2', [makeFile({ state: 'needs-reload' })])), ['lb2']);
  assert.deepEqual(without(proves, host('lb2', [makeFile({ wanted: { sha256: B, serial: '0B' } })])), [
    'lb2',
  ]);
});

test('no host at all proves nothing: statuses may be lost, and the hosts be there', () => {
  assert.equal(without(), undefined);
  assert.equal(without(host('lb1', [makeFile()], { leftAt: noon.toISOString() })), undefined);
});

test('a host that left has no say, a silent one has it for a week', () => {
  const at = (ms: number) => ({ reportedAt: after(noon, -ms).toISOString() });
  const proves = host('lb1', [makeFile()]);

  assert.deepEqual(without(proves, host('lb2', [], { leftAt: noon.toISOString() })), []);
  assert.deepEqual(without(proves, host('lb2', [], at(ABSENT_AFTER_MS))), ['lb2']);
  assert.deepEqual(without(proves, host('lb2', [], at(ABSENT_AFTER_MS + 1))), []);
  assert.equal(ABSENT_AFTER_MS, 7 * DAY_MS);
});

test('a name that HAProxy hands out by another file: the one that is to go may, a stranger’s may not', () => {
  const shadowed = (file: string) => host('lb1', [makeFile({ overlaps: [{ name: 'a.test', by: file }] })]);

  assert.deepEqual(without(shadowed('old.pem')), []);
  assert.deepEqual(without(shadowed('old.pem.rsa')), []);
  assert.deepEqual(without(shadowed('aaa.pem')), ['lb1']);
});

test('a report that names as many overlaps as fit may hide others', () => {
  const overlaps = Array.from({ length: 20 }, (_, index) => ({ name: `n${index}.test`, by: 'old.pem' }));

  assert.deepEqual(without(host('lb1', [makeFile({ overlaps })])), ['lb1']);
});

test('where no handshake can prove it, what HAProxy shows counts: nobody waits for ever', () => {
  const unproven = { since: noon.toISOString(), reason: 'not-here', message: 'no address of this machine' };
  const shown = (serial: string) => ({ serial, notAfter: noon.toISOString(), chainLength: 2 });
  const lb1 = host('lb1', [makeFile()]);
  const lb2 = host('lb2', [makeFile({ unproven, runtime: shown('0A') })]);
  const lb3 = host('lb3', [
    makeFile({ unproven: { ...unproven, reason: 'unreachable' }, runtime: shown('0B') }),
  ]);
  const lb4 = host('lb4', [makeFile({ unproven })]);
  const lb5 = host('lb5', [makeFile({ unproven, state: 'failed' })]);
  const gone = host('lb6', [makeFile({ unproven })], { leftAt: noon.toISOString() });

  assert.deepEqual(without(lb1, lb2), []);
  assert.deepEqual(without(lb1, lb2, lb3, lb4, lb5, gone), ['lb3', 'lb5']);
  assert.deepEqual(hostsUnproven([lb1, lb2, lb3, gone], successors, noon), [
    'lb2 (not-here)',
    'lb3 (unreachable)',
  ]);
});
