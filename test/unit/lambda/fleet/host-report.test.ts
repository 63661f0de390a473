/** What hosts say beside their certificates, in `pemfleet status` and in the issuer's summaries. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDeadline } from '#common/deadline.ts';
import { DAY_MS } from '#common/time.ts';
import { type FileStatus, type HostStatus, serializeHostStatus } from '#contract/host-status.ts';
import { fleetName, layout } from '#contract/layout.ts';
import { generatePrivateKey, type PublicKey, signerOf } from '#contract/statement.ts';
import { isHostBehind } from '../../../../lambda/fleet/behind.ts';
import { ownHead } from '../../../../lambda/fleet/heads.ts';
import { followsManifest, reportHosts, unlistedFilesIn } from '../../../../lambda/fleet/host-report.ts';
import { refreshHostSummaries } from '../../../../lambda/fleet/hosts.ts';
import { withoutMovedHosts } from '../../../../lambda/fleet/moved.ts';
import { readFleetReports } from '../../../../lambda/fleet/read-reports.ts';
import { memoryBucket, reportTime } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeConfig, makeEntry, makeHostStatus, named } from '../../../support/issuer/documents.ts';
import { testPublisher, testSigning } from '../../../support/issuer/signing.ts';

const since = noon.toISOString();
const at = (days: number) => after(noon, days * DAY_MS).toISOString();
const fileOf = (name: string, changes: Partial<FileStatus> = {}): FileStatus => ({
  ...{ file: `${name}.pem`, certificate: named(name), state: 'served', since },
  ...{ wanted: { sha256: 'a'.repeat(64), serial: '0A' } },
  ...changes,
});
const unlisted = (name: string, days?: number) =>
  fileOf(name, { isUnlisted: true, ...(days !== undefined && { notAfter: at(days) }) });
const condition = (name: string) => ({ condition: name, since, message: 'why' });

test('unlisted files come in the order of their end', () => {
  const status = makeHostStatus('lb1', {
    files: [fileOf('a'), unlisted('b', 9), unlisted('c'), unlisted('d', 3)],
  });

  assert.deepEqual(
    unlistedFilesIn(status).map(({ certificate }) => certificate),
    ['d', 'b', 'c'],
  );
});

test('a host that only serves has nothing to say, and one that left has nothing to say any more', () => {
  const quiet = makeHostStatus('lb1', { files: [fileOf('a')] });
  const left = makeHostStatus('lb2', { leftAt: since, conditions: [condition('stale-manifest')] });
  const loud = makeHostStatus('lb3', { conditions: [condition('stale-manifest')] });

  assert.deepEqual(
    reportHosts([quiet, left, loud], noon).map(({ host }) => host),
    ['lb3'],
  );
});

for (const [name, follows] of [
  ['key-unverified', true],
  ['unsigned-manifest', true],
  ['stale-manifest', false],
  ['frozen-manifest', false],
  ['unknown-key', false],
  ['other-lineage', false],
  ['a-later-word', false],
] as const) {
  test(`${name}: ${follows ? 'the host follows what is published' : 'the host counts as behind, at once'}`, async () => {
    assert.equal(followsManifest([name]), follows);
    const summary = await summaryOf({ conditions: [condition('key-unverified'), condition(name)] });

    assert.equal(isHostBehind(summary, undefined, noon), !follows);
  });
}

async function summaryOf(changes: Partial<HostStatus>) {
  const bucket = memoryBucket(reportTime);
  const status = makeHostStatus('lb1', changes);
  await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
  const deadline = startDeadline(1000);
  const { fleets } = await refreshHostSummaries(bucket, {}, [fleet], { now: noon, deadline });
  deadline.clear();
  const summary = fleets[fleet]?.['lb1'];
  assert.ok(summary !== undefined);
  return summary;
}

test('a summary is bounded, and names first what keeps a host from following and what ends first', async () => {
  const conditions = Array.from({ length: 60 }, () => condition('key-unverified'));
  const files = Array.from({ length: 40 }, (_, index) => unlisted(`n${index}`, 40 - index));

  const summary = await summaryOf({ conditions: [...conditions, condition('unknown-key')], files });

  assert.deepEqual(summary.conditions, ['unknown-key', 'key-unverified']);
  assert.equal(summary.unlisted?.length, 10);
  assert.deepEqual(summary.unlisted?.[0], { certificate: 'n39', notAfter: after(noon, DAY_MS) });
});

const reportedAt = (minutes: number) => ({ reportedAt: after(noon, minutes * 60_000) });

test('a host of a fleet that nobody names any more, which reports elsewhere since, has moved', () => {
  const reports = { old: { lb1: reportedAt(0), lb2: reportedAt(0) }, edge: { lb1: reportedAt(5) } };

  assert.deepEqual(withoutMovedHosts(reports, ['edge']), {
    old: { lb2: reportedAt(0) },
    edge: { lb1: reportedAt(5) },
  });
  // Two hosts of two configured fleets may have the same name.
  assert.deepEqual(withoutMovedHosts(reports, ['edge', 'old']), reports);
});

const old = fleetName.parse('old');
const config = makeConfig([{ identifiers: ['a.test'] }]);

async function publishedBucket() {
  const bucket = memoryBucket(reportTime);
  await testPublisher(bucket, fleet).publish(named('a.test'), makeEntry(), []);
  await testPublisher(bucket, old).publish(named('b.test'), makeEntry({ identifiers: ['b.test'] }), []);
  const put = async (host: string, changes: Partial<HostStatus>) => {
    const status = makeHostStatus(host, changes);
    await bucket.put(layout.status(status.fleet, status.host), serializeHostStatus(status));
  };
  const reports = async (now = noon) =>
    (await readFleetReports({ bucket, keys: testSigning }, config, now)).fleets;
  return { bucket, put, reports };
}

test('fleets that no certificate names any more are reported, with what is not configured', async () => {
  const { bucket, put, reports } = await publishedBucket();
  await put('lb9', { fleet: old, conditions: [condition('frozen-manifest')] });
  await bucket.put('published/stray/pem/a/b.pem', 'x');

  const [edge, other, ...rest] = await reports();

  assert.deepEqual([edge?.fleet, other?.fleet, rest.length], ['default', 'old', 0]);
  assert.deepEqual(
    edge?.certificates.map(({ isConfigured }) => isConfigured),
    [true],
  );
  assert.deepEqual(
    other?.certificates.map(({ isConfigured }) => isConfigured),
    [false],
  );
  assert.deepEqual(
    other?.hosts.map(({ host }) => host),
    ['lb9'],
  );
});

test('what a host left behind in its old fleet is neither silent nor behind', async () => {
  const { put, reports } = await publishedBucket();
  await put('lb1', { fleet: old });
  await put('lb1', { reportedAt: at(1) });
  await put('lb2', { fleet: old });

  const [, other] = await reports(after(noon, DAY_MS));

  assert.deepEqual(
    other?.silent.map(({ host }) => host),
    ['lb2'],
  );
  assert.deepEqual(
    other?.certificates[0]?.behind.map(({ host }) => host),
    ['lb2'],
  );
});

test('a fleet that cannot be read and of which hosts report is shown with its error', async () => {
  const { bucket, put, reports } = await publishedBucket();
  await bucket.put(layout.root(old), 'garbage');
  await put('lb9', { fleet: old });

  const [, other] = await reports();

  assert.equal(other?.error?.code, 'ERR_MANIFEST_SIGNATURE');
});

test('what was ended is reported until its last PEM has expired', async () => {
  const { bucket, reports } = await publishedBucket();
  await testPublisher(bucket, old).withdraw([named('b.test')], { reason: 'withdrawn' });

  const [, other] = await reports();

  assert.deepEqual(
    other?.ended.map(({ certificate, reason }) => `${certificate} ${reason}`),
    ['b.test withdrawn'],
  );
  assert.deepEqual(other?.certificates, []);
});

test('what an earlier key signed while the clock was ahead counts, but nobody with that key reaches the end', () => {
  const [signer, retiredAt] = [signerOf(generatePrivateKey()), noon.getTime()];
  const keys = { isOurs: (_: PublicKey, sequence = 0) => sequence <= retiredAt };
  const headOf = (sequence: number) => {
    const claims = { lineage: 'ours', fleet, sequence, signedAt: since, sha256: 'a'.repeat(64) };
    const head = signer.sign('manifest', claims);
    return ownHead(makeHostStatus('lb1', { head }), keys, noon)?.sequence;
  };
  const [soon, late] = [retiredAt + 2 * DAY_MS, retiredAt + 8 * DAY_MS];

  assert.deepEqual([headOf(retiredAt), headOf(soon), headOf(late)], [retiredAt, soon, undefined]);
});
