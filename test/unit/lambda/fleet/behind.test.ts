// When a host is behind: by certificate, and since when. Whatever else is published meanwhile hides nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, MINUTE_MS } from '#common/time.ts';
import type { FileStatus } from '#contract/host-status.ts';
import { isHostBehind, lagSinceOf, lagsOf, type PublishedManifest } from '../../../../lambda/fleet/behind.ts';
import { type HostSummary, storeClock, summarizeStatus } from '../../../../lambda/fleet/summary.ts';
import { after, noon } from '../../../support/clock.ts';
import { makeHostStatus, named } from '../../../support/issuer/documents.ts';

const at = (minutes: number) => after(noon, minutes * MINUTE_MS);
const fileOf = (name: string, state: FileStatus['state'], since: Date): FileStatus => ({
  ...{ file: `${name}.pem`, certificate: named(name), state, since: since.toISOString() },
  wanted: { sha256: 'a'.repeat(64), serial: '0A' },
});
/** What a host reports at that minute, of these files; the root that it has acted on was signed at `head`. */
function reported(minute: number, files: FileStatus[], head: number, old?: HostSummary): HostSummary {
  const status = makeHostStatus('lb1', { reportedAt: at(minute).toISOString(), files });
  const signed = { sequence: at(head).getTime(), signedAt: at(head) };
  return summarizeStatus(status, { etag: `"${minute}"`, head: signed, old });
}
/** A manifest with these certificates, each published at that minute. */
function publishedAt(...minutes: [certificate: string, minute: number][]): PublishedManifest {
  const newest = minutes
    .map(([certificate, minute]) => ({ certificate, publishedAt: at(minute) }))
    .sort((a, b) => b.publishedAt.getTime() - a.publishedAt.getTime());
  return { etag: '"new"', updatedAt: newest[0]?.publishedAt ?? noon, newest };
}
const codesOf = (host: HostSummary, manifest: PublishedManifest, minute: number) =>
  lagsOf(host, manifest, at(minute)).map(({ certificate, code, since }) => [
    certificate,
    code,
    (since.getTime() - noon.getTime()) / MINUTE_MS,
  ]);

test('C3: something is published every 29 minutes, and a host that does not serve one certificate is behind all the time', () => {
  const failed = fileOf('a.test', 'failed', at(1));
  for (let minute = 29; minute < 600; minute += 29) {
    const manifest = publishedAt(['a.test', 0], ['b.test', minute]);
    const host = reported(minute + 1, [failed, fileOf('b.test', 'served', at(minute + 1))], minute);

    assert.equal(isHostBehind(host, manifest, at(minute + 2)), minute + 2 > 31, `${minute}`);
  }
});

test('C3: a host that has stopped to act is behind after 30 minutes, though the manifest is never older than 29', () => {
  let host = reported(0, [fileOf('a.test', 'served', noon)], 0);
  const old: HostSummary[] = [];
  for (let minute = 29; minute < 600; minute += 29) {
    // Copies of another fleet's entries keep their time: only the manifest's own tells.
    const manifest: PublishedManifest = { ...publishedAt(['a.test', 0]), updatedAt: at(minute) };
    const lagSince = lagSinceOf(host, manifest, old.at(-1));
    host = { ...host, ...(lagSince && { lagSince }) };
    old.push(host);

    assert.deepEqual(host.lagSince, at(29));
    assert.equal(isHostBehind(host, manifest, at(minute + 1)), minute + 1 > 59, `${minute}`);
  }
});

test('a host that acts within a minute is never behind, though something is published every 29 minutes by the pass itself', () => {
  let old: HostSummary | undefined;
  for (let minute = 29; minute < 600; minute += 29) {
    // At the end of the pass that has published, hosts have acted on the publication before.
    const host = reported(minute - 28, [fileOf('a.test', 'served', noon)], minute - 29, old);
    const manifest = publishedAt(['a.test', 0], ['b.test', minute]);
    const lagSince = lagSinceOf(host, manifest, old);
    old = { ...host, ...(lagSince && { lagSince }) };

    assert.equal(isHostBehind(old, manifest, at(minute)), false, `${minute}`);
  }
});

test('the longest comes first, each with its certificate, its code and since when', () => {
  const files = [
    { ...fileOf('a.test', 'failed', at(10)), error: { code: 'ERR_HANDSHAKE_CERTIFICATE', message: 'no' } },
    fileOf('b.test', 'pending', at(5)),
    fileOf('c.test', 'served', at(0)),
  ];
  const manifest = publishedAt(['a.test', 0], ['b.test', 0], ['c.test', 0], ['d.test', 70], ['e.test', 99]);

  assert.deepEqual(codesOf(reported(60, files, 0), manifest, 101), [
    ['b.test', 'pending', 5],
    ['a.test', 'ERR_HANDSHAKE_CERTIFICATE', 10],
    ['d.test', 'not-fetched', 70],
  ]);
});

test('a host that has lacked a certificate before lacks it since then, whatever its state and its publication are now', () => {
  const before = reported(10, [fileOf('a.test', 'pending', at(10))], 9);
  const now = reported(50, [fileOf('a.test', 'failed', at(49))], 48, before);

  assert.deepEqual(codesOf(now, publishedAt(['a.test', 48]), 51), [['a.test', 'failed', 10]]);
});

for (const [says, offset] of [
  ['a day behind', -DAY_MS],
  ['a day ahead', DAY_MS],
  ['a year ahead', 365 * DAY_MS],
] as const) {
  test(`the clock of a host that is ${says} moves nothing`, () => {
    const hostAt = (minute: number) => after(at(minute), offset);
    const files = [fileOf('a.test', 'failed', hostAt(10))];
    const status = makeHostStatus('lb1', { reportedAt: at(50).toISOString(), files });
    const head = { sequence: 1, signedAt: noon };
    const host = summarizeStatus({ ...status, clockOffsetMs: offset }, { etag: '"s"', head, old: undefined });

    assert.deepEqual(host.unserved, [{ certificate: 'a.test', code: 'failed', since: at(10) }]);
    assert.equal(isHostBehind(host, publishedAt(['a.test', 0]), at(40)), false);
    assert.equal(isHostBehind(host, publishedAt(['a.test', 0]), at(41)), true);
  });
}

test('nothing that a host reports is still to come', () => {
  const clock = storeClock(makeHostStatus('lb1'));

  assert.deepEqual(clock(at(1).toISOString()), noon);
});

test('C5: an error of the host as a whole counts at once, since the first report that has it', () => {
  const error = { code: 'ERR_CERTS_DIRECTORY', message: 'read-only' };
  const reportAt = (minute: number, old?: HostSummary) => {
    const status = makeHostStatus('lb1', { reportedAt: at(minute).toISOString(), error });
    const head = { sequence: 1, signedAt: noon };
    return summarizeStatus(status, { etag: '"s"', head, old });
  };
  const first = reportAt(10);
  const second = reportAt(70, first);

  assert.deepEqual(codesOf(first, publishedAt(), 10), [[undefined, 'ERR_CERTS_DIRECTORY', 10]]);
  assert.deepEqual(codesOf(second, publishedAt(), 70), [[undefined, 'ERR_CERTS_DIRECTORY', 10]]);
});

test('a host with ten thousand failures is a few facts, the oldest of them', () => {
  const files = Array.from({ length: 10_000 }, (_, index) =>
    fileOf(`c${index}.test`, 'failed', at(10_000 - index)),
  );

  const { unserved = [] } = reported(20_000, files, 0);

  assert.deepEqual(
    unserved.map(({ certificate }) => certificate),
    ['c9999.test', 'c9998.test', 'c9997.test'],
  );
});
