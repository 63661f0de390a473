// What hosts have said, by ETag: what has not changed is not read again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDeadline } from '#common/deadline.ts';
import { BucketError } from '#contract/errors.ts';
import { type HostStatus, serializeHostStatus } from '#contract/host-status.ts';
import { type FleetName, fleetName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import {
  readHostSummaries,
  refreshHostSummaries,
  saveHostSummaries,
} from '../../../../lambda/fleet/hosts.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { type MemoryBucket, memoryBucket, reportTime } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeHostStatus, named } from '../../../support/issuer/documents.ts';

const other = fleetName.parse('other');
const fileOf = (file: string, state: 'served' | 'failed') => ({
  file,
  certificate: named('a.test'),
  state,
  since: noon.toISOString(),
  wanted: { sha256: 'a'.repeat(64), serial: '0A' },
});
const statusOf = (host: string, changes: Partial<HostStatus> = {}): string =>
  serializeHostStatus(makeHostStatus(host, { manifest: '"m"', ...changes }));
const keyOf = (host: string) => `${layout.statuses(fleet)}${host}.json`;

async function bucketWith(...hosts: string[]): Promise<MemoryBucket> {
  const bucket = memoryBucket(reportTime);
  for (const host of hosts) await bucket.put(keyOf(host), statusOf(host));
  return bucket;
}
async function refreshAll(bucket: Bucket, names: FleetName[], at: Date) {
  const known = await readHostSummaries(bucket);
  const deadline = startDeadline(5_000);
  const read = await refreshHostSummaries(bucket, known.fleets, names, { now: at, deadline });
  deadline.clear();
  await saveHostSummaries(bucket, { ...known, fleets: read.fleets }, known);
  return read;
}
async function refreshStored(bucket: Bucket, names: FleetName[], at: Date) {
  return (await refreshAll(bucket, names, at)).fleets;
}
const refresh = (bucket: MemoryBucket, at = noon) => refreshStored(bucket, [fleet], at);
/** What a pass asks of the bucket from now on. */
const callsFrom = (bucket: MemoryBucket) => {
  const begun = bucket.calls.length;
  return () => bucket.calls.slice(begun);
};

test('a status becomes a summary: when, which manifest, files by state, what is not served and what is in the way, each since when', async () => {
  const bucket = memoryBucket(reportTime);
  const files = [fileOf('a', 'served'), fileOf('b', 'served'), fileOf('c', 'failed')];
  const error = { code: 'ERR_RUNTIME_SOCKET', message: 'no socket' };
  await bucket.put(keyOf('lb1'), statusOf('lb1', { files, error }));

  const { default: summaries } = await refresh(bucket);

  const etag = (await bucket.get(keyOf('lb1')))?.etag;
  const states = { served: 2, failed: 1 };
  const times = { reportedAt: noon, faultSince: noon };
  const unserved = [{ certificate: 'a.test', code: 'failed', since: noon }];
  assert.deepEqual(summaries, {
    lb1: { etag, ...times, manifest: '"m"', contract: 1, states, unserved, error: 'ERR_RUNTIME_SOCKET' },
  });
});

test('the summary of a host that was removed says so, until it reports again', async () => {
  const bucket = memoryBucket(reportTime);
  await bucket.put(keyOf('lb1'), statusOf('lb1', { leftAt: noon.toISOString() }));
  const { default: away } = await refresh(bucket);
  await bucket.put(keyOf('lb1'), statusOf('lb1'));
  const { default: back } = await refresh(bucket);

  assert.deepEqual([away?.['lb1']?.hasLeft, back?.['lb1']?.hasLeft], [true, undefined]);
});

test('a summary has the version of the contract, and the book remembers when a fleet last had an agent of version 1', async () => {
  const bucket = await bucketWith('lb1');
  await refresh(bucket);
  const later = after(noon, 60_000);
  await bucket.put(keyOf('lb1'), statusOf('lb1', { contract: 2, reportedAt: later.toISOString() }));
  const { default: upgraded } = await refresh(bucket, later);
  await bucket.delete(keyOf('lb1'));
  await refresh(bucket, later);

  assert.equal(upgraded?.['lb1']?.contract, 2);
  assert.deepEqual((await readHostSummaries(bucket)).version1At, { default: noon });
});

test('a summary of an issuer of version 1, which leaves the version out, is made again', async () => {
  const bucket = await bucketWith('lb1');
  const whole = await refresh(bucket);
  const { contract: _, ...old } = whole['default']?.['lb1'] ?? {};
  await bucket.put(layout.hostSummaries, JSON.stringify({ version: 1, fleets: { default: { lb1: old } } }));

  assert.deepEqual(await refresh(bucket), whole);

  const calls = callsFrom(bucket);
  assert.deepEqual(await refresh(bucket), whole);
  assert.equal(calls().length, 2, 'it is whole again');
});

test('open calls are kept, and a document of an earlier version has none', async () => {
  const bucket = memoryBucket(reportTime);
  await bucket.put(layout.hostSummaries, '{"version":1,"fleets":{}}');
  const before = await readHostSummaries(bucket);
  const calls = [{ command: 'c1', fleet, at: noon }];
  await saveHostSummaries(bucket, { ...before, calls }, before);

  assert.deepEqual(before.calls, []);
  assert.deepEqual((await readHostSummaries(bucket)).calls, calls);
});

test('where no host has changed, none is read and nothing is written', async () => {
  const bucket = await bucketWith('lb1', 'lb2');
  const first = await refresh(bucket);
  const calls = callsFrom(bucket);

  assert.deepEqual(await refresh(bucket, after(noon, 60_000)), first);
  assert.deepEqual(calls(), [`get ${layout.hostSummaries}`, `list ${layout.statuses(fleet)}`]);
});

test('only the statuses that have changed are read', async () => {
  const bucket = await bucketWith('lb1', 'lb2', 'lb3');
  await refresh(bucket);
  const later = after(noon, 60_000);
  await bucket.put(keyOf('lb2'), statusOf('lb2', { reportedAt: later.toISOString() }));
  const calls = callsFrom(bucket);

  const { default: summaries } = await refresh(bucket);

  assert.deepEqual(
    calls().filter((call) => call.startsWith('get status/')),
    [`get ${keyOf('lb2')}`],
  );
  assert.deepEqual(summaries?.['lb2']?.reportedAt, later);
  assert.ok(calls().includes(`put ${layout.hostSummaries}`));
});

test('a host whose status was deleted is dropped, and so is a fleet', async () => {
  const bucket = await bucketWith('lb1', 'lb2');
  await refresh(bucket);
  await bucket.delete(keyOf('lb2'));

  const fleets = await refresh(bucket);
  await refreshStored(bucket, [other], noon);

  assert.deepEqual(Object.keys(fleets['default'] ?? {}), ['lb1']);
  assert.deepEqual(JSON.parse(bucket.text(layout.hostSummaries) ?? '').fleets, { other: {} });
});

const BROKEN: [says: string, host: string, text: string, error: string][] = [
  ['no JSON', 'lb2', '{', 'ERR_STATUS_SCHEMA'],
  ['another schema', 'lb2', '{"version":1}', 'ERR_STATUS_SCHEMA'],
  ['a newer version', 'lb2', '{"version":2}', 'ERR_STATUS_VERSION'],
  ['a name that is none', 'LB 2', statusOf('lb2'), 'ERR_STATUS_SCHEMA'],
  ['a word of JavaScript as its name', 'constructor', statusOf('lb2'), 'ERR_STATUS_SCHEMA'],
];

for (const [says, host, text, error] of BROKEN) {
  test(`a status that cannot be read (${says}) is that host's failure, read once`, async () => {
    const bucket = await bucketWith('lb1');
    await bucket.put(keyOf(host), text);

    const { default: summaries = {} } = await refresh(bucket);
    const calls = callsFrom(bucket);
    const again = await refresh(bucket);

    assert.equal(summaries[host]?.error, error);
    assert.equal(summaries['lb1']?.error, undefined);
    assert.deepEqual(again['default'], summaries);
    assert.equal(calls().length, 2);
  });
}

test('a status that is deleted between the listing and the read has the error gone', async () => {
  const bucket = await bucketWith('lb1');
  const get = async (key: string) => (key === keyOf('lb1') ? undefined : bucket.get(key));

  const fleets = await refreshStored(interposed(bucket, { get }), [fleet], noon);

  assert.equal(fleets['default']?.['lb1']?.error, 'gone');
});

test('a bucket that fails is no failure of a host: its summary stays, the others are fresh, and the failure is told', async () => {
  const bucket = await bucketWith('lb1', 'lb2');
  const { default: whole } = await refresh(bucket);
  const later = after(noon, 60_000);
  for (const host of ['lb1', 'lb2']) {
    await bucket.put(keyOf(host), statusOf(host, { reportedAt: later.toISOString() }));
  }
  const broken = new BucketError('ERR_BUCKET_UNREACHABLE', keyOf('lb1'), 'S3 is out of reach');
  const get = async (key: string) => (key === keyOf('lb1') ? Promise.reject(broken) : bucket.get(key));

  const { fleets, failures } = await refreshAll(interposed(bucket, { get }), [fleet], later);
  const again = await refresh(bucket, later);

  assert.deepEqual(fleets['default']?.['lb1'], whole?.['lb1']);
  assert.deepEqual(fleets['default']?.['lb2']?.reportedAt, later);
  assert.deepEqual(failures, [broken]);
  assert.deepEqual(again['default']?.['lb1']?.reportedAt, later, 'the next pass reads it');
});

for (const [says, text] of [
  ['no JSON', '{'],
  ['another version', '{"version":2,"fleets":{}}'],
  ['summaries that are none', '{"version":1,"fleets":{"default":{"lb1":{"etag":1}}}}'],
] as const) {
  test(`summaries that cannot be read (${says}) are made again`, async () => {
    const bucket = await bucketWith('lb1');
    const whole = await refresh(bucket);
    await bucket.put(layout.hostSummaries, text);

    assert.deepEqual(await refresh(bucket), whole);

    const calls = callsFrom(bucket);
    assert.deepEqual(await refresh(bucket), whole);
    assert.equal(calls().length, 2, 'it is whole again');
  });
}
