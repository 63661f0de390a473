// One thing that cannot be read stays one thing: other fleets and hosts, the calls to hosts and the metrics go on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDeadline } from '#common/deadline.ts';
import { DAY_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { fleetName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readHostSummaries, refreshHostSummaries } from '../../../../lambda/fleet/hosts.ts';
import { readFleetReports } from '../../../../lambda/fleet/read-reports.ts';
import { afterPass } from '../../../../lambda/pass/after-pass.ts';
import { passNotBegun, runPass } from '../../../../lambda/pass/run-pass.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { fleet, makeConfig, makeEntry, makeHostStatus, named } from '../../../support/issuer/documents.ts';
import { recordEvents } from '../../../support/issuer/events.ts';
import { passOver } from '../../../support/issuer/pass.ts';
import { madeUpTexts, testPublisher, testSigning } from '../../../support/issuer/signing.ts';

const other = fleetName.parse('other');
const CERTIFICATES = [
  { identifiers: ['a.test'], fleets: ['default'] },
  { identifiers: ['b.test'], fleets: ['other'] },
];
const statusKey = (host: string) => `${layout.statuses(fleet)}${host}.json`;
const notifier = { notify: async () => 'command-1', result: async () => undefined };

async function publishedBucket() {
  const bucket = memoryBucket(() => noon);
  for (const [name, one] of [
    ['a.test', fleet],
    ['b.test', other],
  ] as const) {
    const entry = makeEntry({ identifiers: [name] });
    await testPublisher(bucket, one).publish(named(name), entry, madeUpTexts(entry));
  }
  await bucket.put(statusKey('lb1'), serializeHostStatus(makeHostStatus('lb1')));
  return bucket;
}

/** The bucket, with a verb that fails for some keys. */
function failing(
  bucket: Bucket,
  verb: 'get' | 'list' | 'entries' | 'put',
  keys: RegExp,
  code = 'ERR_BUCKET_SIZE',
) {
  const call = (key: string, ...rest: unknown[]) =>
    keys.test(key)
      ? Promise.reject(new BucketError(code as never, key, 'as planted'))
      : (bucket[verb] as (key: string, ...rest: unknown[]) => unknown)(key, ...rest);
  return interposed(bucket, { [verb]: call } as Partial<Bucket>);
}

for (const [says, verb, keys, results, code] of [
  ["one fleet's manifest", 'get', /published\/default/, ['failed', 'kept'], 'ERR_BUCKET_UNREACHABLE'],
  ['one order record', 'get', /issuer\/order\/a\.test/, ['failed', 'kept'], 'ERR_BUCKET_ARCHIVED'],
  ['the list of order records', 'list', /issuer\/order/, ['failed', 'failed'], 'ERR_BUCKET_ARCHIVED'],
] as const) {
  test(`pass: ${says} cannot be read: its certificates fail, the others do not, and the hosts of all fleets count`, async () => {
    const bucket = await publishedBucket();
    await bucket.put(layout.order(named('a.test')), '{}');
    const broken = failing(bucket, verb, keys, code);
    const { passFor } = passOver(bucket, { bucket: broken });

    const result = await runPass(passFor(CERTIFICATES));
    const { metrics } = await afterPass(passFor(CERTIFICATES), undefined, result);

    assert.deepEqual(
      result.outcomes.map((outcome) => outcome.result),
      results,
    );
    assert.equal(result.outcomes[0]?.error?.code, code);
    assert.equal(result.error, undefined);
    assert.equal(metrics.RunFinished, 1);
    assert.ok((await readHostSummaries(bucket)).fleets[fleet]?.['lb1'], 'the hosts were looked at');
  });
}

test('pass: what stops it is its error, beside what was published before', async () => {
  const bucket = await publishedBucket();
  const broken = failing(bucket, 'get', /ca-state/, 'ERR_BUCKET_UNREACHABLE');
  const { passFor } = passOver(bucket, { bucket: broken });

  const result = await runPass(passFor(CERTIFICATES));
  const { metrics } = await afterPass(passFor(CERTIFICATES), undefined, result);

  assert.equal((result.error as BucketError).code, 'ERR_BUCKET_UNREACHABLE');
  assert.deepEqual(
    result.outcomes.map(({ result: one, reason }) => `${one} ${reason}`),
    ['failed pass-failed', 'failed pass-failed'],
  );
  assert.deepEqual([metrics.CertificatesFailing, metrics.RunFinished], [2, undefined]);
  assert.ok(metrics.DaysToExpiry, 'of the manifests that could be read');
});

test('a pass that could not begin: metrics are there all the same, and hosts are looked at', async () => {
  const bucket = await publishedBucket();
  const result = passNotBegun(makeConfig(CERTIFICATES), new Error('no trust anchors'));
  const { log } = recordEvents();

  const { metrics } = await afterPass(
    { bucket, config: makeConfig(CERTIFICATES), timing: fakeClock(after(noon, DAY_MS)), log },
    undefined,
    result,
  );

  assert.deepEqual(
    [metrics.CertificatesFailing, metrics.HostsSilent, metrics.RunFinished],
    [2, 1, undefined],
  );
});

for (const [says, verb, keys] of [
  ['the book', 'get', /host-book/],
  ['a listing', 'entries', /status/],
  ['a status', 'get', /status/],
  ['the writing of the book', 'put', /host-book/],
] as const) {
  test(`after the pass: ${says} fails: hosts are called, metrics are there, and it is one failure, logged`, async () => {
    const bucket = await publishedBucket();
    const { log, names } = recordEvents();
    const calls: string[] = [];
    const calling = { ...notifier, notify: async (name: string) => calls.push(name) && 'command-1' };
    const broken = failing(bucket, verb, keys, 'ERR_BUCKET_UNREACHABLE');
    const result = { outcomes: [], manifests: new Map([[fleet, undefined]]), changed: [fleet] };

    const pass = { bucket: broken, config: makeConfig(CERTIFICATES), timing: fakeClock(), log };
    const ended = await afterPass(pass, calling as never, result);

    assert.deepEqual(calls, [fleet]);
    assert.equal(ended.metrics.RunFinished, 1);
    assert.equal(ended.failures.length, 1);
    assert.equal(names().filter((name) => name === 'status.failed').length, 1);
  });
}

for (const [says, verb, keys, absent] of [
  ['the list of order records', 'list', /issuer\/order/, ['CertificatesFailing']],
  [
    "one fleet's manifest",
    'get',
    /published\/default/,
    ['CertificatesExpired', 'CertificatesOverdue', 'HostsBehind'],
  ],
  [
    'a listing of statuses',
    'entries',
    /status/,
    ['HostsSilent', 'HostsBehind', 'HostsMissing', 'HostsUnproven'],
  ],
  ['the book', 'get', /host-book/, ['NotifyFailed', 'CertificatesFailing']],
] as const) {
  test(`after the pass: ${says} cannot be read: no figure says that all is well there`, async () => {
    const bucket = await publishedBucket();
    const broken = failing(bucket, verb, keys, 'ERR_BUCKET_UNREACHABLE');
    const metricsOver = async (before: Bucket, end: Bucket) => {
      const { passFor } = passOver(bucket, { bucket: before });
      const result = await runPass(passFor(CERTIFICATES));
      // The end of an idle pass lists no records: there was none.
      const busy = { ...result, isIdle: false };
      return (await afterPass({ ...passFor(CERTIFICATES), bucket: end }, undefined, busy)).metrics;
    };

    const whole = await metricsOver(bucket, bucket);
    // A pass that cannot list its records fails all certificates, which is a figure.
    const metrics = await metricsOver(verb === 'list' ? bucket : broken, broken);

    for (const level of absent) {
      assert.equal(typeof whole[level], 'number', level);
      assert.equal(metrics[level], undefined, level);
    }
  });
}

test('a status that never comes is not waited for beyond the deadline, and the others are read', async () => {
  const bucket = await publishedBucket();
  await bucket.put(statusKey('lb2'), serializeHostStatus(makeHostStatus('lb2')));
  const get = (key: string) =>
    key === statusKey('lb1') ? new Promise<never>(() => undefined) : bucket.get(key);
  const deadline = startDeadline(50);

  const { fleets, failures } = await refreshHostSummaries(
    interposed(bucket, { get } as Partial<Bucket>),
    {},
    [fleet],
    { now: noon, deadline },
  );

  assert.deepEqual(Object.keys(fleets[fleet] ?? {}), ['lb2']);
  assert.deepEqual(
    failures.map(({ code }) => code),
    ['ERR_BUCKET_UNREACHABLE'],
  );
});

test('a host that reports from the future has reported when the store says', async () => {
  const bucket = await publishedBucket();
  const future = { reportedAt: '2099-01-01T00:00:00.000Z' };
  await bucket.put(statusKey('lb1'), serializeHostStatus(makeHostStatus('lb1', future)));
  const deadline = startDeadline(5_000);
  const later = after(noon, DAY_MS);

  const { fleets } = await refreshHostSummaries(bucket, {}, [fleet], { now: later, deadline });
  const read = await readFleetReports({ bucket, keys: testSigning }, makeConfig(CERTIFICATES), later);
  const [report] = read.fleets;
  deadline.clear();

  assert.deepEqual(fleets[fleet]?.['lb1']?.reportedAt, noon);
  assert.deepEqual(report?.silent, [{ host: 'lb1', reportedAt: noon.toISOString() }]);
});

test('a book that has become too large, or holds unbounded facts, is made again', async () => {
  const bucket = await publishedBucket();
  const fact = { etag: '"e"', reportedAt: noon, states: {}, manifest: 'x'.repeat(60_000) };
  await bucket.put(
    layout.hostSummaries,
    JSON.stringify({ version: 1, fleets: { default: { lb1: fact } }, calls: [] }),
  );

  assert.deepEqual((await readHostSummaries(bucket)).fleets, {});
  assert.deepEqual((await readHostSummaries(failing(bucket, 'get', /host-book/))).fleets, {});
});

test('pemfleet status: a fleet whose manifest cannot be read says so; the other fleet is shown', async () => {
  const bucket = await publishedBucket();
  const config = makeConfig(CERTIFICATES);

  const reportsOf = async (broken: Bucket) =>
    (await readFleetReports({ bucket: broken, keys: testSigning }, config, noon)).fleets;
  const [first, second] = await reportsOf(failing(bucket, 'get', /published\/default/));
  const [unlisted] = await reportsOf(failing(bucket, 'entries', /status\/default/));

  assert.equal(first?.error?.code, 'ERR_BUCKET_SIZE');
  assert.deepEqual(
    second?.certificates.map(({ certificate }) => certificate),
    ['b.test'],
  );
  assert.equal(second?.error, undefined);
  assert.deepEqual(
    unlisted?.certificates.map(({ certificate }) => certificate),
    ['a.test'],
  );
  assert.equal(unlisted?.error?.code, 'ERR_BUCKET_SIZE');
});
