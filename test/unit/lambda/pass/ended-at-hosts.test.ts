/** What is published, and refused by hosts for ever: `issuer/` and `published/` were put back from before its tombstone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { hostName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { serializeCached } from '#storage/cached-document.ts';
import { certificateStateOf } from '../../../../lambda/fleet/behind.ts';
import { isEndedAtHosts, nextEndedOrders } from '../../../../lambda/fleet/ended-pems.ts';
import { NO_SUMMARIES } from '../../../../lambda/fleet/hosts.ts';
import { type HostSummary, summarizeStatus } from '../../../../lambda/fleet/summary.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../support/issuer/documents.ts';
import { passOver, publishEntry } from '../../../support/issuer/pass.ts';
import { readPublished } from '../../../support/issuer/signing.ts';

const [ended, other] = ['a'.repeat(64), 'b'.repeat(64)];
const config = [{ identifiers: ['a.test'] }];

const statusWith = (endedEntries: object[], changes: object = {}): HostStatus =>
  parseHostStatus(
    fleet,
    hostName.parse('lb1'),
    Buffer.from(
      JSON.stringify({
        ...{ version: 1, fleet, host: 'lb1', reportedAt: noon.toISOString(), contract: 2 },
        ...{ agent: { version: '1.0.0' }, haproxy: [], files: [], endedEntries, ...changes },
      }),
    ),
  );

const summaryOf = (...digests: string[]) =>
  summarizeStatus(statusWith(digests.map((sha256) => ({ certificate: 'a.test', sha256 }))), {
    ...{ etag: 'e', head: undefined, old: undefined },
  });

/** a.test is published, and hosts have reported this by the end of the last pass. */
async function passAfter(book: object, entry?: ManifestEntry) {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'a.test', entry ?? makeEntry({ identifiers: ['a.test'] }));
  await bucket.put(layout.hostSummaries, serializeCached({ ...NO_SUMMARIES, ...book }));
  const { run } = passOver(bucket);
  const outcomes = await run(config, { dryRun: true });
  return { outcomes: outcomes.map(({ result, reason }) => `${result}: ${reason}`), bucket };
}

test('a published PEM that two hosts of several hold as ended is ordered again; claims about others change nothing', async () => {
  const hosts = { lb1: summaryOf(ended), lb2: summaryOf(ended), lb3: summaryOf() };
  const { outcomes } = await passAfter({ fleets: { [fleet]: hosts } });
  assert.deepEqual(outcomes, ['planned: pem-ended']);
  const quiet = await passAfter({ fleets: { [fleet]: { lb1: summaryOf(other), lb2: summaryOf() } } });
  assert.deepEqual(quiet.outcomes, ['kept: fresh']);
});

test('one PEM of a pair, and a host of another fleet than the first', async () => {
  const pems = [makePemRef({ keyType: 'rsa-2048', sha256: other }), makePemRef({ sha256: ended })];
  const entry = makeEntry({ pems });
  const hosts = { edge: { lb1: summaryOf() }, core: { lb9: summaryOf(ended) } };
  assert.equal(isEndedAtHosts(named('a.test'), entry, { hosts }, noon), true);
});

test('what a host said before it read the entry, or a host that has left, counts nothing', () => {
  const entry = makeEntry({ sequence: 7 });
  const { sha256 } = entry.pems[0] ?? assert.fail();
  const claimOf = (changes: object) => ({
    hosts: { [fleet]: { lb1: { ...summaryOf(sha256), ...changes } } },
  });
  const isEnded = (changes: object) => isEndedAtHosts(named('a.test'), entry, claimOf(changes), noon);
  assert.equal(isEnded({ head: { sequence: 7, signedAt: noon } }), true);
  assert.equal(isEnded({ head: { sequence: 6, signedAt: noon } }), false);
  assert.equal(isEnded({ hasLeft: true }), false);
});

test('a lying host gets one order a week: what was published in the place of an ended PEM is not ordered again', async () => {
  const bucket = memoryBucket();
  const second = makeEntry({
    identifiers: ['a.test'],
    pems: [makePemRef({ sha256: other })],
  });
  await publishEntry(bucket, 'a.test', makeEntry({ identifiers: ['a.test'] }));
  await publishEntry(bucket, 'a.test', second);
  const { manifest } = (await readPublished(bucket, fleet)) ?? assert.fail();
  const liar = { [fleet]: { lb1: summaryOf(ended, other) } };

  const endedOrders = nextEndedOrders({}, { hosts: liar, manifests: [manifest] }, noon);

  assert.deepEqual(endedOrders, { 'a.test': noon });
  const isEnded = (now: Date) => isEndedAtHosts(named('a.test'), second, { hosts: liar, endedOrders }, now);
  assert.deepEqual([isEnded(after(noon, 6 * DAY_MS)), isEnded(after(noon, 8 * DAY_MS))], [false, true]);
  assert.deepEqual(nextEndedOrders(endedOrders, { hosts: {}, manifests: [] }, after(noon, 8 * DAY_MS)), {});
  const book = { fleets: liar, endedOrders: { 'a.test': noon } };
  assert.deepEqual((await passAfter(book, second)).outcomes, ['kept: fresh']);
});

test('what one host alone says counts only where no other one lives: it may lie about every certificate', () => {
  const [entry, late] = [makeEntry(), after(noon, -60 * DAY_MS)];
  const isEnded = (hosts: Record<string, HostSummary>) =>
    isEndedAtHosts(named('a.test'), entry, { hosts: { [fleet]: hosts, core: { lb9: summaryOf() } } }, noon);
  assert.deepEqual(
    [
      { lb1: summaryOf(ended) },
      { lb1: summaryOf(ended), lb2: summaryOf() },
      { lb1: summaryOf(ended), lb2: { ...summaryOf(), reportedAt: late } },
      { lb1: summaryOf(ended), lb2: { ...summaryOf(), hasLeft: true as const } },
    ].map(isEnded),
    [true, false, true, true],
  );
});

test('what a host refuses and nobody can order hides nothing that can be ordered', () => {
  const others = Array.from({ length: 99 }, (_, index) => index.toString(16).padStart(64, '0'));
  const entries = others.map((sha256) => ({ certificate: `gone${sha256}`, sha256 }));
  const status = statusWith([...entries, { certificate: 'a.test', sha256: ended }]);
  const summary = summarizeStatus(status, {
    ...{ etag: 'e', head: undefined, old: undefined },
    configured: new Set(['a.test']),
  });
  assert.deepEqual([summary.endedPems?.[0], summary.endedPems?.length], [ended, 20]);
});

test('a host that claims a thousand ended PEMs is noted with twenty', () => {
  const digests = Array.from({ length: 100 }, (_, index) => index.toString(16).padStart(64, '0'));
  assert.equal(summaryOf(...digests).endedPems?.length, 20);
});

test('status: a host that refuses what has ended is behind, and says why, also where its report leaves files out', () => {
  const message = 'the manifest names PEMs that a tombstone has ended, of a.test';
  const conditions = [{ condition: 'ended-entry', since: noon.toISOString(), message }];
  const status = statusWith([{ certificate: 'a.test', sha256: ended }], {
    ...{ conditions, manifest: '"e"', unlisted: { served: 3000 } },
  });
  const manifest = { etag: '"e"', updatedAt: noon };
  const stateOf = (sha256: string) =>
    certificateStateOf(status, 'a.test', { wanted: new Set([sha256]), manifest });
  assert.deepEqual(stateOf(ended), {
    ...{ state: 'failed', since: noon.toISOString(), error: { code: 'ended-entry', message } },
  });
  assert.equal(stateOf(other).state, 'served');
});
