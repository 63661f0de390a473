import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import type { FileStatus, HostStatus } from '#contract/host-status.ts';
import { fleetName } from '#contract/layout.ts';
import { emptyManifest, type Manifest, type ManifestEntry } from '#contract/manifest.ts';
import { SILENT_AFTER_MS } from '../../../../lambda/fleet/behind.ts';
import { reportFleet } from '../../../../lambda/fleet/report.ts';
import { after, noon } from '../../../support/clock.ts';
import { makeEntry, makeHostStatus, makePemRef, named } from '../../../support/issuer/documents.ts';
import { certificatesOf } from '../../../support/manifest.ts';

const fleet = fleetName.parse('edge');
const [current, old] = ['a'.repeat(64), 'b'.repeat(64)];
const manifestOf = (entries: Record<string, ManifestEntry>): Manifest => ({
  ...emptyManifest(fleet, noon),
  certificates: certificatesOf(entries),
});
const single = manifestOf({ 'a.test': makeEntry({ pems: [makePemRef({ sha256: current, serial: '0B' })] }) });

const fileOf = (changes: Partial<FileStatus> = {}): FileStatus => ({
  file: 'a.test.pem',
  certificate: named('a.test'),
  state: 'served',
  since: noon.toISOString(),
  wanted: { sha256: current, serial: '0B' },
  ...changes,
});
const hostOf = (host: string, files: FileStatus[], changes: Partial<HostStatus> = {}) =>
  makeHostStatus(host, { fleet, files, ...changes });
const report = (manifest: Manifest, ...statuses: HostStatus[]) =>
  reportFleet(manifest, { statuses, unreadable: [] }, noon);
const error = { code: 'ERR_RUNTIME_REFUSED', message: 'unable to load' };

test('a certificate is reported with its names, serial and end', () => {
  assert.deepEqual(report(single), {
    fleet: 'edge',
    certificates: [
      {
        certificate: 'a.test',
        isConfigured: true,
        identifiers: ['a.test'],
        serial: '0B',
        publishedAt: noon.toISOString(),
        notBefore: noon.toISOString(),
        notAfter: after(noon, 90 * DAY_MS).toISOString(),
        failure: undefined,
        served: [],
        behind: [],
      },
    ],
    missing: [],
    present: 0,
    silent: [],
    left: [],
    unreadable: [],
    hosts: [],
    ended: [],
  });
});

const since = noon.toISOString();
const { publishedAt } = makeEntry();
const STATES: [says: string, host: HostStatus, behind: object | undefined][] = [
  ['a host that serves what is published', hostOf('lb1', [fileOf()]), undefined],
  [
    'a host that serves what was published before',
    hostOf('lb1', [fileOf({ wanted: { sha256: old, serial: '0A' } })]),
    { state: 'pending', since: publishedAt },
  ],
  [
    'a host that does not know the certificate yet',
    hostOf('lb1', []),
    { state: 'pending', since: publishedAt },
  ],
  [
    'a host that knows another certificate only',
    hostOf('lb1', [fileOf({ certificate: named('b.test') })]),
    { state: 'pending', since: publishedAt },
  ],
  [
    'a host whose HAProxy refused it',
    hostOf('lb1', [fileOf({ state: 'failed', error })]),
    { state: 'failed', since, error },
  ],
  [
    'a host that needs a reload',
    hostOf('lb1', [fileOf({ state: 'needs-reload' })]),
    { state: 'needs-reload', since },
  ],
  [
    'a host that failed with what was published before',
    hostOf('lb1', [fileOf({ state: 'failed', error, wanted: { sha256: old, serial: '0A' } })]),
    { state: 'pending', since: publishedAt },
  ],
  [
    'a host that is blocked as a whole',
    hostOf('lb1', [], { error }),
    { state: 'pending', since: publishedAt, error },
  ],
  ['a host that was blocked and serves it all the same', hostOf('lb1', [fileOf()], { error }), undefined],
];

for (const [says, host, behind] of STATES) {
  test(`${says} is ${behind === undefined ? 'served' : `behind: ${JSON.stringify(behind).slice(0, 30)}`}`, () => {
    const [certificate] = report(single, host).certificates;

    assert.deepEqual(certificate?.served, behind === undefined ? ['lb1'] : []);
    assert.deepEqual(certificate?.behind, behind === undefined ? [] : [{ host: 'lb1', ...behind }]);
  });
}

test('a pair is served when both of its files are', () => {
  const pair = manifestOf({
    'a.test': makeEntry({
      pems: [makePemRef({ sha256: current }), makePemRef({ sha256: old, keyType: 'rsa2048' })],
    }),
  });
  const ecdsa = fileOf({ file: 'a.test.pem.ecdsa' });
  const rsa = fileOf({ file: 'a.test.pem.rsa', wanted: { sha256: old, serial: '0A' } });

  const [certificate] = report(
    pair,
    hostOf('both', [ecdsa, rsa]),
    hostOf('half', [ecdsa]),
    hostOf('bad', [ecdsa, { ...rsa, state: 'failed' }]),
  ).certificates;

  assert.deepEqual(certificate?.served, ['both']);
  assert.deepEqual(
    certificate?.behind.map(({ host, state }) => [host, state]),
    [
      ['half', 'pending'],
      ['bad', 'failed'],
    ],
  );
});

test('a host is silent when it has not reported for longer than two heartbeats and some', () => {
  const reported = (host: string, ms: number) =>
    hostOf(host, [fileOf()], { reportedAt: after(noon, -ms).toISOString() });

  const { silent } = report(
    single,
    reported('just', SILENT_AFTER_MS),
    reported('late', SILENT_AFTER_MS + 1),
    reported('ahead', -DAY_MS),
  );

  assert.deepEqual(silent, [{ host: 'late', reportedAt: after(noon, -SILENT_AFTER_MS - 1).toISOString() }]);
});

test('a host that was shut down or removed has left: it is neither silent nor behind', () => {
  const long = after(noon, -SILENT_AFTER_MS - 1).toISOString();
  const removed = hostOf('lb2', [], { reportedAt: long, leftAt: long });

  const { certificates, silent, left } = report(single, hostOf('lb1', [fileOf()]), removed);

  assert.deepEqual([certificates[0]?.served, certificates[0]?.behind, silent], [['lb1'], [], []]);
  assert.deepEqual(left, [{ host: 'lb2', leftAt: long }]);
});

test('a fleet without certificates and without hosts has nothing to report', () => {
  assert.deepEqual(report(manifestOf({})), {
    fleet: 'edge',
    certificates: [],
    missing: [],
    present: 0,
    silent: [],
    left: [],
    unreadable: [],
    hosts: [],
    ended: [],
  });
});
