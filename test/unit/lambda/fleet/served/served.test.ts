/** Which hosts have served a version, from when until when: as statuses are read, as the record keeps it, as an auditor asks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeadlinePassed, startDeadline } from '#common/deadline.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { BucketError, codeOf } from '#contract/errors.ts';
import { type FileStatus, serializeHostStatus } from '#contract/host-status.ts';
import { hostName, layout } from '#contract/layout.ts';
import { refreshHostSummaries } from '../../../../../lambda/fleet/hosts.ts';
import { ServedChanges } from '../../../../../lambda/fleet/served/changes.ts';
import { keepServed } from '../../../../../lambda/fleet/served/keep.ts';
import { isServedAfter, readExposures } from '../../../../../lambda/fleet/served/query.ts';
import { recordServed } from '../../../../../lambda/fleet/served/record.ts';
import type { SummariesByHost } from '../../../../../lambda/fleet/summary.ts';
import { interposed } from '../../../../support/bucket/interposed.ts';
import { memoryBucket, reportTime } from '../../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../../support/clock.ts';
import { fleet, makeHostStatus, named } from '../../../../support/issuer/documents.ts';

const certificate = named('a.test');
const subject = { fleet, certificate };

const fileOf = (serial: string, since: Date, changes: Partial<FileStatus> = {}): FileStatus => ({
  ...{ file: 'a.test.pem', certificate, state: 'served', since: since.toISOString() },
  wanted: { sha256: serial.repeat(64).slice(0, 64).toLowerCase(), serial },
  provenAt: since.toISOString(),
  ...changes,
});

/** Hosts report, passes read. */
function stage() {
  const bucket = memoryBucket(reportTime);
  let summaries: SummariesByHost = {};
  const report = (host: string, at: Date, files: FileStatus[]) =>
    bucket.put(
      layout.status(fleet, hostName.parse(host)),
      serializeHostStatus(makeHostStatus(host, { reportedAt: at.toISOString(), files })),
    );
  const pass = async (now: Date, store: Parameters<typeof keepServed>[0] = bucket) => {
    const served = new ServedChanges();
    const deadline = startDeadline(10_000);
    const read = await refreshHostSummaries(bucket, { [fleet]: summaries }, [fleet], {
      now,
      deadline,
      served,
    });
    deadline.clear();
    const kept = await keepServed(store, read.fleets, served, { now });
    summaries = kept.fleets[fleet] ?? {};
    return { served, failures: kept.failures };
  };
  const ask = async (serial?: string) => (await readExposures(bucket, [subject], { serial })).exposures;
  return { bucket, report, pass, ask };
}

const at = (minutes: number) => after(noon, minutes * MINUTE_MS);

test('a host serves a version from its first report of it until its first report of another one', async () => {
  const { report, pass, ask } = stage();
  await report('lb1', at(1), [fileOf('0A', at(0))]);
  await pass(at(2));
  await report('lb1', at(60), [fileOf('0A', at(0))]);
  await pass(at(61));
  await report('lb1', at(90), [fileOf('0B', at(89))]);
  await pass(at(91));

  const [old, current] = await ask();

  const common = { ...subject, host: 'lb1', isProved: true };
  assert.deepEqual(old, {
    ...common,
    serial: '0A',
    first: at(0),
    last: at(60),
    gone: at(90),
    isServing: false,
  });
  assert.deepEqual(current, { ...common, serial: '0B', first: at(89), last: at(90), isServing: true });
  const served = async (serial: string, when: Date) =>
    (await ask(serial)).some((one) => isServedAfter(one, when));
  assert.deepEqual(
    [await served('A', at(80)), await served('A', at(95)), await served('B', at(95))],
    [true, false, true],
  );
});

test('a report that says the same again is written nowhere', async () => {
  const { bucket, report, pass } = stage();
  await report('lb1', at(1), [fileOf('0A', at(0))]);
  await pass(at(2));
  const before = bucket.calls.length;
  await report('lb1', at(60), [fileOf('0A', at(0), { provenAt: at(59).toISOString() })]);

  const { served } = await pass(at(61));

  assert.deepEqual(served.changes, []);
  assert.deepEqual(
    bucket.calls.slice(before).filter((call) => call.includes('issuer/')),
    [],
  );
});

test('a host that waits for the next version serves the one before, as HAProxy shows', async () => {
  const { report, pass, ask } = stage();
  const runtime = { serial: '0A', notAfter: at(9000).toISOString(), chainLength: 2 };
  await report('lb1', at(1), [fileOf('0B', at(1), { state: 'failed', runtime })]);
  await pass(at(2));

  assert.deepEqual(
    (await ask()).map(({ serial, isProved }) => [serial, isProved]),
    [['0A', false]],
  );
});

test('a version that is rolled back to is served twice', async () => {
  const { report, pass, ask } = stage();
  for (const [minute, serial] of [
    [1, '0A'],
    [31, '0B'],
    [61, '0A'],
  ] as const) {
    await report('lb1', at(minute), [fileOf(serial, at(minute))]);
    await pass(at(minute + 1));
  }

  const spans = (await ask('A')).map(({ first, gone, isServing }) => [first, gone, isServing]);

  assert.deepEqual(spans, [
    [at(1), at(31), false],
    [at(61), undefined, true],
  ]);
});

test('what is withdrawn is served until the first report without it, and a host that is gone until its last one', async () => {
  const { bucket, report, pass, ask } = stage();
  for (const host of ['lb1', 'lb2']) await report(host, at(1), [fileOf('0A', at(0))]);
  await pass(at(2));
  await report('lb2', at(60), [fileOf('0A', at(0))]);
  await pass(at(61));
  await report('lb1', at(70), []);
  await bucket.delete(layout.status(fleet, hostName.parse('lb2')));
  await pass(at(71));

  assert.deepEqual(
    (await ask()).map(({ host, last, gone, isServing }) => [host, last, gone, isServing]),
    [
      ['lb1', at(1), at(70), false],
      ['lb2', at(60), undefined, false],
    ],
  );
});

test('what cannot be recorded is recorded by the next pass, though no host reports again', async () => {
  const { bucket, report, pass, ask } = stage();
  const failing = interposed(bucket, {
    put: (...args) => Promise.reject(new BucketError('ERR_BUCKET_DENIED', args[0], 'is not accessible')),
  });
  await report('lb1', at(1), [fileOf('0A', at(0))]);

  const { failures } = await pass(at(2), failing);
  await pass(at(32));

  assert.deepEqual(
    failures.map((error) => codeOf(error)),
    ['ERR_BUCKET_DENIED'],
  );
  assert.equal((await ask('A')).length, 1);
});

test('a year of 100 hosts and 12 versions is answered within a second, and is bounded', async () => {
  const { bucket, report, ask } = stage();
  const serialOf = (version: number) => `A${version.toString(16).padStart(3, '0')}`.toUpperCase();
  const hosts = Array.from({ length: 100 }, (_, index) => `lb${index}`);
  for (let version = 0; version < 12; version += 1) {
    const since = after(noon, version * 30 * DAY_MS);
    const served = [{ serial: serialOf(version), since, isProved: true }];
    const before = version === 0 ? undefined : new Date(since.getTime() - HOUR_MS);
    const changes = hosts.map((host) => ({ ...subject, host, at: since, before, served }));
    await recordServed(bucket, changes, since);
  }
  const last = fileOf(serialOf(11), after(noon, 330 * DAY_MS));
  for (const host of hosts) await report(host, after(noon, 360 * DAY_MS), [last]);
  const began = performance.now();

  const exposures = await ask(serialOf(3));

  assert.ok(performance.now() - began < 1000, `${performance.now() - began} ms`);
  assert.equal(exposures.length, 100);
  assert.deepEqual(exposures[0]?.gone, after(noon, 120 * DAY_MS));
  const bytes = bucket.text(layout.served(fleet, certificate))?.length ?? 0;
  assert.ok(bytes < 200_000, `${bytes} bytes`);
});

test('a record that nobody can read is not overwritten in silence: the question has no answer from before', async () => {
  const { bucket, report, pass } = stage();
  await report('lb1', at(1), [fileOf('0A', at(0))]);
  await pass(at(2));
  const key = layout.served(fleet, certificate);
  bucket.plant(key, `x${bucket.text(key)}`);

  assert.deepEqual((await readExposures(bucket, [subject], { serial: 'A' })).incomplete, [`${fleet}/a.test`]);
  await report('lb1', at(60), [fileOf('0B', at(59))]);
  await pass(at(61));

  const { exposures, incomplete } = await readExposures(bucket, [subject], {});
  assert.deepEqual(incomplete, [`${fleet}/a.test`]);
  assert.deepEqual(
    exposures.map(({ serial }) => serial),
    ['0B'],
  );
});

test('one record that fails costs the others nothing, and is written by the next pass', async () => {
  const { bucket, report, pass, ask } = stage();
  const other = named('b.test');
  const files = [fileOf('0A', at(0)), { ...fileOf('0C', at(0)), file: 'b.test.pem', certificate: other }];
  await report('lb1', at(1), files);
  const failing = interposed(bucket, {
    put: async (key, body, condition) => {
      if (key === layout.served(fleet, certificate)) throw new BucketError('ERR_BUCKET_IO', key, 'no answer');
      return bucket.put(key, body, condition);
    },
  });

  const { failures } = await pass(at(2), failing);

  assert.equal(failures.length, 1);
  assert.notEqual(bucket.text(layout.served(fleet, other)), undefined);
  await pass(at(4));
  assert.equal((await ask('A')).length, 1);
});

test('what a pass has no time to record is recorded by the next one', async () => {
  const { bucket, report, pass, ask } = stage();
  await report('lb1', at(1), [fileOf('0A', at(0))]);
  const over = { ...startDeadline(0), hasPassed: true };
  over.clear();
  const changes = [{ ...subject, host: 'lb1', at: at(1), before: undefined, served: [] }];

  const left = await recordServed(bucket, changes, at(2), {
    ...over,
    wait: async () => {
      throw new DeadlinePassed('over');
    },
  });

  assert.deepEqual(left.changes, changes);
  await pass(at(4));
  assert.equal((await ask('A')).length, 1);
});
