// The report of a host with thousands of certificates is small enough for its readers, and hides nothing that is not served.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDeadline } from '#common/deadline.ts';
import { MINUTE_MS } from '#common/time.ts';
import {
  type FileStatus,
  parseHostStatus,
  serializeHostStatus,
  serializeReport,
} from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import { MAX_STATUS_BYTES } from '#contract/limits.ts';
import { emptyManifest } from '#contract/manifest.ts';
import { isHostBehind } from '../../../../lambda/fleet/behind.ts';
import { refreshHostSummaries } from '../../../../lambda/fleet/hosts.ts';
import { reportFleet } from '../../../../lambda/fleet/report.ts';
import { memoryBucket, reportTime } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makeHostStatus, makePemRef, named } from '../../../support/issuer/documents.ts';
import { certificatesOf } from '../../../support/manifest.ts';

const nameOf = (index: number) => `c${index}.test`;
const shaOf = (index: number) => index.toString(16).padStart(64, '0');
const filesOf = (count: number, stateOf: (index: number) => FileStatus['state']): FileStatus[] =>
  Array.from({ length: count }, (_, index) => ({
    file: `${nameOf(index)}.pem`,
    certificate: named(nameOf(index)),
    state: stateOf(index),
    since: noon.toISOString(),
    wanted: { sha256: shaOf(index), serial: '0A' },
    runtime: { serial: '0A', notAfter: noon.toISOString(), chainLength: 2 },
  }));
const manifestOf = (count: number) => ({
  ...emptyManifest(fleet, noon),
  certificates: certificatesOf(
    Object.fromEntries(
      filesOf(count, () => 'served').map(({ certificate, wanted: { sha256 } }) => [
        certificate,
        makeEntry({ identifiers: [certificate], pems: [makePemRef({ sha256 })] }),
      ]),
    ),
  ),
});

test('a report that fits is the status itself', () => {
  const status = makeHostStatus('lb1', { files: filesOf(100, () => 'served') });

  assert.equal(serializeReport(status), serializeHostStatus(status));
});

test('what the manifest does not name stays in a long report: nobody else knows of it', () => {
  const files = filesOf(10_000, () => 'served').map(
    (file, index): FileStatus =>
      index % 2_000 === 3 ? { ...file, isUnlisted: true, notAfter: noon.toISOString() } : file,
  );

  const text = serializeReport(makeHostStatus('lb1', { files, manifest: '"m"' }));

  const report = parseHostStatus(fleet, makeHostStatus('lb1').host, Buffer.from(text));
  assert.equal(report.files.length, 5);
  assert.ok(report.files.every(({ isUnlisted }) => isUnlisted));
  assert.deepEqual(report.unlisted, { served: 9_995 });
});

for (const [says, stateOf, failed] of [
  ['all are served', () => 'served', 0],
  ['three are not', (index) => (index % 4_000 === 7 ? 'failed' : 'served'), 3],
  ['none is served', () => 'failed', 10_000],
] as const satisfies [string, (index: number) => FileStatus['state'], number][]) {
  test(`10,000 certificates (${says}): the report is below its limit, and both readers count them all`, async () => {
    const files = filesOf(10_000, stateOf);
    const status = makeHostStatus('lb1', { files, manifest: '"m"' });

    const text = serializeReport(status);

    assert.ok(Buffer.byteLength(text) <= MAX_STATUS_BYTES, `${text.length}`);
    const read = parseHostStatus(fleet, status.host, Buffer.from(text));
    const bucket = memoryBucket(reportTime);
    await bucket.put(layout.status(fleet, status.host), text);
    const deadline = startDeadline(5_000);
    const { fleets } = await refreshHostSummaries(bucket, {}, [fleet], { now: noon, deadline });
    deadline.clear();
    const summary = fleets[fleet]?.['lb1'];
    const states = { served: 10_000 - failed, failed };
    assert.deepEqual({ served: 0, failed: 0, ...summary?.states }, states);
    assert.ok(summary);
    const manifest = { etag: '"m"', updatedAt: new Date(0) };
    assert.equal(isHostBehind(summary, manifest, after(noon, 31 * MINUTE_MS)), failed > 0);
    const { certificates } = reportFleet(
      manifestOf(10_000),
      { statuses: [read], unreadable: [], etag: '"m"' },
      noon,
    );
    assert.equal(certificates.filter(({ behind }) => behind.length > 0).length, failed);
  });
}

test('what a report leaves out is not served by another manifest than the published one', () => {
  const status = makeHostStatus('lb1', { manifest: '"old"', unlisted: { served: 2 } });

  const { certificates } = reportFleet(
    manifestOf(2),
    { statuses: [status], unreadable: [], etag: '"new"' },
    noon,
  );

  assert.deepEqual(
    certificates.map(({ served }) => served),
    [[], []],
  );
});
