// Field C: what `pemfleet status` says, its exit status, and one document that cannot be read beside others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { type FileStatus, type HostStatus, serializeHostStatus } from '#contract/host-status.ts';
import { fleetName, hostName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { createOrderRecord } from '../../../../lambda/order/record.ts';
import { Publisher } from '../../../../lambda/publication/publisher.ts';
import { openSigningKey } from '../../../../lambda/signing/signing-key.ts';
import { readWholeStatus } from '../../../../lambda/status/whole-status.ts';
import { publisherOptions } from '../../../../lambda/upgrade/along.ts';
import { memoryBucket, reportTime } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import {
  fleet,
  makeConfig,
  makeEntry,
  makeHostStatus,
  makePemRef,
  makeRecord,
  named,
} from '../../../support/issuer/documents.ts';

const other = fleetName.parse('other');
const sha256 = 'a'.repeat(64);
const published = (changes = {}, publishedAt = after(noon, -DAY_MS)) =>
  makeEntry({ pems: [makePemRef({ sha256, ...changes })], publishedAt: publishedAt.toISOString() });
const served = (changes: Partial<FileStatus> = {}): FileStatus => ({
  ...{
    file: 'a.test.pem',
    certificate: named('a.test'),
    state: 'served',
    since: after(noon, -DAY_MS).toISOString(),
  },
  wanted: { sha256, serial: '0B' },
  ...changes,
});

interface Scene {
  entry?: ReturnType<typeof makeEntry> | 'none';
  host?: Partial<HostStatus> | 'none';
  config?: object;
  change?: (bucket: ReturnType<typeof memoryBucket>) => Promise<unknown> | unknown;
  graceMs?: number;
  nowMs?: number;
  answeredAt?: Date;
}

/** One certificate in one fleet, served by one host, and what is changed in it. */
async function statusOf({
  entry = published(),
  host = {},
  config = {},
  change,
  graceMs = 2 * MINUTE_MS,
  nowMs = 0,
  answeredAt,
}: Scene) {
  const bucket = memoryBucket(reportTime);
  const signing = await openSigningKey(bucket, { fleets: [fleet], dryRun: false });
  const publisher = new Publisher(
    bucket,
    fleet,
    publisherOptions(bucket, signing, () => noon),
  );
  if (entry !== 'none') await publisher.publish(named('a.test'), entry, []);
  if (host !== 'none') {
    const status = makeHostStatus('lb1', { files: [served()], ...host });
    await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
  }
  await change?.(bucket);
  const now = () => after(noon, nowMs);
  const request = { config: makeConfig([{ identifiers: ['a.test'] }], config), graceMs, now };
  const store: Bucket = answeredAt === undefined ? bucket : { ...bucket, answeredAt };
  const { level, lines } = await readWholeStatus({ ...request, bucket: store });
  return { level, lines: lines.map((line) => `${line.level} ${line.code} ${line.text}`) };
}

const failing = makeRecord({
  ...{ failures: 3, notBefore: after(noon, 5 * HOUR_MS) },
  lastFailure: {
    at: after(noon, -2 * HOUR_MS),
    code: 'ERR_AUTHORIZATION',
    message: 'a.test: refused',
    isCaFault: false,
  },
});
const since = after(noon, -3 * HOUR_MS).toISOString();
const orderFails = (bucket: Bucket) => createOrderRecord(bucket, named('a.test'), failing);
const NOTHING_YET = { code: 'ERR_MANIFEST_MISSING', message: 'nothing is published' };
const FAILS = 'failed 3 times in a row, last 2 h ago: ERR_AUTHORIZATION a.test: refused; next attempt in 5 h';
const drift = (days: number, at = since) => [
  {
    ...{ kind: 'file-edited', file: 'a.test.pem', certificate: 'a.test', first: at, at },
    count: 4,
    days,
    culprit: 'vim (uid 0)',
  },
];

function failReads(bucket: Bucket, of: string): void {
  const { get } = bucket;
  const fail = (key: string) => Promise.reject(new BucketError('ERR_BUCKET_IO', key, 'EIO'));
  bucket.get = ((key: string, ...rest: []) => (key === of ? fail(key) : get(key, ...rest))) as Bucket['get'];
}

/** As the last line of a row: there are no others. */
const NOTHING_ELSE = '';

const ROWS: [says: string, scene: Scene, level: string, ...lines: (string | RegExp)[]][] = [
  ['all is well', {}, 'note'],
  [
    'C2: configured, never issued',
    { entry: 'none' },
    'wrong',
    'wrong missing a.test: configured, not published: no attempt has failed: pemfleet plan says when it is ordered, and journalctl -u pemfleet what the last pass did',
  ],
  [
    'C2: configured, never issued, failing',
    { entry: 'none', change: orderFails },
    'wrong',
    `wrong missing a.test: configured, not published: ${FAILS}`,
  ],
  ['C7: a renewal fails', { change: orderFails }, 'wrong', `wrong failing a.test: renewal ${FAILS}`],
  [
    'overdue',
    { nowMs: 80 * DAY_MS, host: 'none' },
    'wrong',
    /^wrong overdue a\.test: should have been renewed, expires in 10 days/,
  ],
  [
    'C4: everything has expired',
    {
      nowMs: 95 * DAY_MS,
      host: {
        reportedAt: after(noon, 95 * DAY_MS).toISOString(),
        files: [
          served({
            runtime: { serial: '0B', notAfter: after(noon, 90 * DAY_MS).toISOString(), chainLength: 1 },
          }),
        ],
      },
    },
    'wrong',
    'wrong expired a.test: expired 5 days ago, and is published',
    'wrong expired lb1: a.test.pem: expired 5 days ago, and HAProxy serves it',
    /^wrong issuer-silent the manifest was signed 95 days ago/,
  ],
  [
    'C5: an error of the host as a whole',
    { host: { error: { code: 'ERR_CERTS_DIRECTORY', message: 'read-only' } } },
    'wrong',
    'wrong host-error lb1: ERR_CERTS_DIRECTORY read-only',
  ],
  [
    'C6: a host that has reported before the first publication',
    {
      entry: published({}, after(noon, -60_000)),
      host: { files: [], reportedAt: after(noon, -90_000).toISOString(), error: NOTHING_YET },
    },
    'note',
    'note arriving lb1: on its way: it reported 1 min ago, before the first publication, and polls again',
  ],
  [
    'C6: a host that finds nothing, though something is published',
    {
      entry: published({}, after(noon, -90_000)),
      host: { files: [], reportedAt: after(noon, -60_000).toISOString(), error: NOTHING_YET },
    },
    'wrong',
    'wrong host-error lb1: ERR_MANIFEST_MISSING nothing is published',
  ],
  [
    'C6: between publication and poll',
    { entry: published({ sha256: 'b'.repeat(64) }, after(noon, -90_000)) },
    'note',
    'note arriving a.test: on its way, not served by 1 of 1: lb1 pending for 1 min',
  ],
  [
    'C6: between publication and poll, without a grace',
    { entry: published({ sha256: 'b'.repeat(64) }, after(noon, -90_000)), graceMs: 0 },
    'wrong',
    'wrong behind a.test: not served by 1 of 1: lb1 pending for 1 min',
  ],
  [
    'a host that failed, however new the certificate is',
    {
      host: {
        files: [served({ state: 'failed', since, error: { code: 'ERR_RUNTIME_REFUSED', message: 'no' } })],
      },
    },
    'wrong',
    'wrong behind a.test: not served by 1 of 1: lb1 failed for 3 h (ERR_RUNTIME_REFUSED no)',
  ],
  [
    'C9: a newer status',
    { change: (bucket) => bucket.put('status/default/lb2.json', '{"version":2}') },
    'unknown',
    /^unknown status-unreadable lb2: its status cannot be read \(ERR_STATUS_VERSION\)/,
  ],
  [
    'C9: an unreadable manifest',
    { host: 'none', change: (bucket) => bucket.put(layout.root(fleet), 'x') },
    'unknown',
    /^unknown manifest-unreadable .*ERR_MANIFEST_SIGNATURE/,
  ],
  [
    'C9: an unreadable status beside something that is wrong',
    { entry: 'none', change: (bucket) => bucket.put('status/default/lb2.json', '{') },
    'wrong',
    /^wrong missing/,
    /^unknown status-unreadable/,
  ],
  [
    'an unreadable order record',
    { change: (bucket) => bucket.put('issuer/order/a.test.json', '{}') },
    'unknown',
    /^unknown order-unreadable a\.test: whether its order fails is unknown: ERR_ORDER_RECORD/,
  ],
  [
    'not configured any more, and no host is left in the fleet: nobody serves what ends',
    {
      ...{ nowMs: 80 * DAY_MS, host: 'none' },
      config: { certificates: [{ identifiers: ['b.test'], fleets: ['other'] }] },
    },
    'wrong',
    /^note unconfigured a\.test: published, not configured, expires in 10 days/,
  ],
  [
    'issue 14: published/ is lost',
    {
      change: (bucket) => bucket.delete(layout.root(fleet)),
      host: { files: [served({ isUnlisted: true, notAfter: after(noon, 80 * DAY_MS).toISOString() })] },
    },
    'wrong',
    /^wrong manifest-lost its manifest is lost/,
    'wrong missing a.test: configured, not published; still served by lb1: no attempt has failed: pemfleet plan says when it is ordered, and journalctl -u pemfleet what the last pass did',
    'note unlisted lb1: a.test.pem: served, nothing names it, expires in 80 days',
  ],
  [
    'the signing key is lost',
    { change: (bucket) => bucket.delete(layout.signingKey) },
    'wrong',
    /^wrong signing-key ERR_SIGNING_KEY_LOST/,
    /^unknown manifest-unreadable/,
  ],
  ['a silent host', { nowMs: 4 * HOUR_MS }, 'wrong', /^wrong silent lb1: silent for 4 h/],
  [
    'what a silent host has said is not said any more',
    { nowMs: 4 * HOUR_MS, host: { error: { code: 'ERR_CERTS_DIRECTORY', message: 'read-only' } } },
    'wrong',
    /^wrong silent lb1/,
    NOTHING_ELSE,
  ],
  [
    'hosts that never came, by name',
    { config: { hosts: { expected: { default: ['lb1', 'lb7'] } } } },
    'wrong',
    /^wrong missing-host lb7: expected/,
  ],
  [
    'hosts that never came, by number',
    { config: { hosts: { expected: { default: 3 } } } },
    'wrong',
    /^wrong missing-host 2 of 3 hosts: expected/,
  ],
  [
    'unproven for a reason that is a fault',
    {
      host: {
        files: [
          served({ unproven: { since, reason: 'unreachable', message: '192.0.2.1:443: ECONNREFUSED' } }),
        ],
      },
    },
    'wrong',
    'wrong unproven lb1: a.test.pem: unproven for 3 h, unreachable: 192.0.2.1:443: ECONNREFUSED',
  ],
  [
    'unproven by design',
    {
      host: {
        files: [
          served({ unproven: { since, reason: 'not-here', message: '192.0.2.1 is not of this machine' } }),
        ],
      },
    },
    'note',
    /^note unproven lb1: a\.test\.pem: unproven for 3 h, not-here/,
  ],
  [
    'an RSA bind beside another one is no fault, as HostsUnproven says',
    { host: { files: [served({ unproven: { since, reason: 'no-common-cipher', message: 'm' } })] } },
    'note',
    /^note unproven lb1: a\.test\.pem: unproven for 3 h, no-common-cipher/,
  ],
  [
    'drift, once',
    { host: { drift: drift(1) } },
    'note',
    'note drift lb1: a.test.pem: file-edited, repaired 4 times on one day, last 3 h ago, by vim (uid 0)',
  ],
  [
    'drift that returned until four days ago is over, as DriftReturning says',
    { host: { drift: drift(3, after(noon, -4 * DAY_MS).toISOString()) } },
    'note',
  ],
  ['drift that returns', { host: { drift: drift(3) } }, 'wrong', /^wrong drift lb1: .* 4 times on 3 days/],
  [
    'field D: a host whose clock is a day behind, as the host says',
    { host: { conditions: [{ condition: 'clock-off', since, message: "24 h behind the store's" }] } },
    'wrong',
    "wrong clock-off lb1: clock-off for 3 h: 24 h behind the store's",
  ],
  [
    'a condition that somebody has chosen',
    { host: { conditions: [{ condition: 'key-unverified', since, message: 'm' }] } },
    'note',
    /^note condition lb1: key-unverified/,
  ],
  [
    'a condition',
    { host: { conditions: [{ condition: 'stale-manifest', since, message: 'm' }] } },
    'wrong',
    'wrong condition lb1: stale-manifest for 3 h: m',
  ],
  [
    'a condition that is also the error of the pass is said once',
    {
      host: {
        conditions: [{ condition: 'unknown-key', since, message: 'm' }],
        error: { code: 'ERR_MANIFEST_REFUSED', message: 'unknown-key: m' },
      },
    },
    'wrong',
    'wrong condition lb1: unknown-key for 3 h: m',
  ],
  [
    'field C: the manifest of version 1 cannot be read',
    { change: (bucket) => failReads(bucket, layout.manifest(fleet)) },
    'unknown',
    /^unknown manifest-unreadable .*ERR_BUCKET_IO/,
  ],
  [
    "this machine's own clock",
    { answeredAt: after(noon, DAY_MS) },
    'wrong',
    /^wrong clock-off this machine's clock is 24 h behind/,
    /^wrong silent/,
  ],
  [
    'proofs',
    {
      host: {
        reportedAt: after(noon, -5 * MINUTE_MS).toISOString(),
        proofs: { spanMs: 10 * MINUTE_MS, oldest: after(noon, -8 * MINUTE_MS).toISOString(), unproven: 2 },
      },
    },
    'note',
    'note proofs lb1: handshakes within 10 min, the oldest was 3 min old at its report 5 min ago, 2 without',
  ],
];

for (const [says, scene, level, ...expected] of ROWS) {
  test(`status: ${says}: ${level}`, async () => {
    const status = await statusOf(scene);

    assert.equal(status.level, level, status.lines.join('\n'));
    const lines = expected.filter((one) => one !== NOTHING_ELSE);
    const isAll = lines.length < expected.length || expected.length === 0;
    if (isAll) assert.equal(status.lines.length, lines.length, status.lines.join('\n'));
    for (const line of lines) {
      const isSaid = status.lines.some((text) =>
        typeof line === 'string' ? text === line : line.test(text),
      );
      assert.ok(isSaid, `wanted ${line}, saw\n${status.lines.join('\n')}`);
    }
  });
}

test('status: a bucket that cannot be reached is one line, and exit status 2', async () => {
  const down = () => Promise.reject(new BucketError('ERR_BUCKET_UNREACHABLE', 's3://b/', 'ETIMEDOUT'));
  const bucket = { ...memoryBucket(), get: down, folders: down } as Bucket;
  const config = makeConfig([{ identifiers: ['a.test'] }]);

  const { level, lines } = await readWholeStatus({ bucket, config, graceMs: 0, now: () => noon });

  assert.equal(level, 'unknown');
  assert.match(lines.map(({ text }) => text).join(), /^the bucket cannot be read: ERR_BUCKET_UNREACHABLE/);
});

test('status: one fleet alone, and progress for each status', async () => {
  const bucket = memoryBucket(reportTime);
  for (const host of ['lb1', 'lb2']) {
    const status = makeHostStatus(host, { fleet: other });
    await bucket.put(layout.status(other, hostName.parse(host)), serializeHostStatus(status));
  }
  const config = makeConfig([{ identifiers: ['a.test'] }, { identifiers: ['b.test'], fleets: ['other'] }]);
  const progress: string[] = [];
  const onProgress = ({ fleet: name, done, all }: { fleet: string; done: number; all: number }) => {
    progress.push(`${name} ${done}/${all}`);
  };

  const { fleets } = await readWholeStatus({
    bucket,
    config,
    only: other,
    graceMs: 0,
    now: () => noon,
    onProgress,
  });

  assert.deepEqual(
    fleets.map(({ report }) => report.fleet),
    ['other'],
  );
  assert.deepEqual(progress, ['other 1/2', 'other 2/2']);
});

test('status: a host whose fleet is mistyped is named while it reports, and not missed when it reports no more', async () => {
  const bucket = memoryBucket(reportTime);
  const typo = fleetName.parse('defualt');
  const error = {
    code: 'ERR_MANIFEST_MISSING',
    message: 'nothing is published for this fleet, or its name is another',
  };
  const status = makeHostStatus('lb9', { fleet: typo, error });
  await bucket.put(layout.status(typo, hostName.parse('lb9')), serializeHostStatus(status));
  const config = makeConfig([{ identifiers: ['a.test'] }]);
  const read = async (now: Date) => {
    const { fleets, lines } = await readWholeStatus({ bucket, config, graceMs: 0, now: () => now });
    const said = lines
      .filter(({ host }) => host === 'lb9')
      .map(({ level, code, text }) => `${level} ${code} ${text}`);
    return { said, names: fleets.map(({ report }) => report.fleet) };
  };

  const now = await read(noon);

  assert.deepEqual(now.names, ['default', 'defualt']);
  assert.equal(now.said.length, 1, now.said.join());
  assert.match(
    now.said.join(),
    /^wrong host-error lb9: ERR_MANIFEST_MISSING nothing is published for this fleet/,
  );
  assert.deepEqual(await read(after(noon, 4 * HOUR_MS)), { said: [], names: ['default'] });
});
