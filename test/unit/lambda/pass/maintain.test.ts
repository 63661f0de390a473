/** What a pass signs though no certificate has changed: lost, restored, tampered with, or simply half a day old. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDeadline } from '#common/deadline.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { fleetName, layout } from '#contract/layout.ts';
import { emptyManifest, serializeManifest } from '#contract/manifest.ts';
import { type SignedManifest, serializeRoot } from '#contract/root.ts';
import { generatePrivateKey, signerOf } from '#contract/statement.ts';
import { NO_SUMMARIES, refreshHostSummaries, saveHostSummaries } from '../../../../lambda/fleet/hosts.ts';
import { runPass } from '../../../../lambda/pass/run-pass.ts';
import { type FleetFacts, reasonToSign } from '../../../../lambda/publication/maintenance.ts';
import { type MemoryBucket, memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makeHostStatus, makePemRef, named } from '../../../support/issuer/documents.ts';
import { passOver, publishEntry } from '../../../support/issuer/pass.ts';
import { readPublished, testSigning } from '../../../support/issuer/signing.ts';
import { issuePem, putVersion1 } from '../../../support/issuer/version-1.ts';

const { key } = testSigning.signer;
const thief = signerOf(generatePrivateKey());
const at = (ms: number) => after(noon, ms).toISOString();
const rootOf = (changes: Partial<SignedManifest> = {}): SignedManifest => ({
  ...{ version: 2, fleet, lineage: testSigning.lineage, sequence: noon.getTime(), requires: [] },
  ...{ signedAt: at(0), updatedAt: at(0), certificates: {}, tombstones: {}, ...changes },
});
const readOf = (changes: Partial<SignedManifest> = {}) => ({
  manifest: rootOf(changes),
  etag: '"1"',
  signedBy: key,
});
const expired = makeEntry({ pems: [makePemRef({ notAfter: at(-1) })] });
const tombstone = {
  reason: 'withdrawn',
  at: at(0),
  pems: [{ sha256: 'a'.repeat(64), notAfter: at(DAY_MS) }],
};

const headOf = (later: number, signedLater: number) => ({
  ...{ sequence: noon.getTime() + later, signedAt: after(noon, signedLater) },
});
const good: FleetFacts = {
  ...{ read: readOf(), isForeign: false, memory: { key, tombstones: {} }, heads: [undefined] },
  ...{ configured: new Set([named('a.test')]), key, lowestSequence: 0, now: noon },
};
const rows: [says: string, changes: Partial<FleetFacts>, reason: string | undefined][] = [
  ['a root that was just signed', {}, undefined],
  ['a fleet that never had a root', { read: undefined, memory: { tombstones: {} } }, undefined],
  ['a root that is gone', { read: undefined }, 'lost'],
  [
    'a root of somebody else, where there never was one',
    { read: undefined, memory: { tombstones: {} }, isForeign: true },
    'lost',
  ],
  ['version 1', { read: { manifest: emptyManifest(fleet, noon), etag: '"1"' } }, 'upgrade'],
  ['a root of which hosts have read a later one', { heads: [headOf(1, 1)] }, 'older'],
  ['a root, and hosts that have another one of its sequence', { heads: [headOf(0, 1)] }, 'older'],
  ['the root that hosts have read, and an earlier one', { heads: [headOf(0, 0), headOf(-1, -1)] }, undefined],
  ['a root from before the last word about keys', { lowestSequence: noon.getTime() }, 'key-changed'],
  ['a root from after it', { lowestSequence: noon.getTime() - 1 }, undefined],
  ['a root of an earlier key', { read: { ...readOf(), signedBy: thief.key } }, 'key-changed'],
  [
    'a root without a tombstone that is remembered',
    { memory: { key, tombstones: { a: tombstone } } },
    'tombstones',
  ],
  [
    'a tombstone that is over',
    {
      memory: { key, tombstones: { a: tombstone } },
      now: after(noon, 31 * DAY_MS),
      read: readOf({ signedAt: at(31 * DAY_MS) }),
    },
    undefined,
  ],
  [
    'a root with that tombstone',
    {
      memory: { key, tombstones: { a: tombstone } },
      read: readOf({ tombstones: { [named('a')]: tombstone } }),
    },
    undefined,
  ],
  [
    'an expired entry that is configured',
    { read: readOf({ certificates: { [named('a.test')]: expired } }) },
    undefined,
  ],
  [
    'an expired entry that nobody configures',
    { read: readOf({ certificates: { [named('b.test')]: expired } }) },
    'expired',
  ],
  [
    'a valid entry that nobody configures',
    { read: readOf({ certificates: { [named('b.test')]: makeEntry() } }) },
    undefined,
  ],
  ['a root that is not yet 12 hours old', { now: after(noon, 12 * HOUR_MS - 1) }, undefined],
  ['a root that is 12 hours old', { now: after(noon, 12 * HOUR_MS) }, 'age'],
  ['a root of the future', { now: after(noon, -6 * MINUTE_MS) }, 'age'],
];

for (const [says, changes, reason] of rows) {
  test(`${says}: ${reason ?? 'stays as it is'}`, () => {
    assert.equal(reasonToSign({ ...good, ...changes }), reason);
  });
}

/** A pass in which everything is fresh, over a fleet with one published certificate. */
async function stage(hours = 0) {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'a.test');
  const timing = fakeClock(after(noon, hours * HOUR_MS));
  const { passFor, events } = passOver(bucket, { timing });
  const pass = () => runPass(passFor([{ identifiers: ['a.test'] }]));
  return {
    bucket,
    pass,
    events,
    reasons: () => events.fieldsOf('manifest.signed').map(({ reason }) => reason),
  };
}

async function published(bucket: MemoryBucket) {
  const read = await readPublished(bucket, fleet);
  assert.ok(read);
  return read.manifest;
}

test('twice a day the time is signed anew: sequence and signedAt go on, all else stays, and no host is called', async () => {
  const { bucket, pass, reasons } = await stage(13);
  const before = await published(bucket);

  const result = await pass();
  await pass();

  const root = await published(bucket);
  assert.deepEqual(reasons(), ['age']);
  assert.deepEqual(result.changed, []);
  assert.ok(root.sequence > before.sequence);
  assert.equal(root.signedAt, at(13 * HOUR_MS));
  assert.deepEqual(
    { ...root, sequence: 0, signedAt: '' },
    { ...before, sequence: 0, signedAt: '', keyRetentionDays: 30 },
  );
});

test('a dry run signs nothing', async () => {
  const { bucket } = await stage();
  const { run } = passOver(bucket, { timing: fakeClock(after(noon, DAY_MS)) });
  const text = bucket.text(layout.root(fleet));

  await run([{ identifiers: ['a.test'] }], { dryRun: true });

  assert.equal(bucket.text(layout.root(fleet)), text);
});

test('a fleet with version 1 alone is taken over and signed, though nothing is due', async () => {
  const bucket = memoryBucket();
  await putVersion1(bucket, [await issuePem(bucket, 'a.test')]);
  const { run, events } = passOver(bucket);

  const [outcome] = await run([{ identifiers: ['a.test'] }]);

  const root = await published(bucket);
  assert.equal(outcome?.result, 'kept');
  assert.deepEqual(events.fieldsOf('manifest.signed'), [{ fleet, reason: 'upgrade' }]);
  assert.ok(root.certificates[named('a.test')]?.pems[0]?.receipt);
});

test('what is lost gets a root again, above all that was signed before: nothing in it is an order to remove', async () => {
  const { bucket, pass, reasons } = await stage();
  const { sequence } = await published(bucket);
  await bucket.delete(layout.root(fleet));
  await bucket.delete(layout.manifest(fleet));

  const [outcome] = (await pass()).outcomes;

  const root = await published(bucket);
  assert.deepEqual(reasons(), ['lost']);
  assert.deepEqual([outcome?.result, outcome?.reason], ['failed', 'missing'], 'the CA is out of reach');
  assert.deepEqual([root.certificates, root.tombstones], [{}, {}]);
  assert.ok(root.sequence >= sequence);
});

const foreignRoots: [says: string, text: string][] = [
  ['signed by a stranger', serializeRoot(rootOf({ sequence: 9e15 }), thief).text],
  ['of another fleet', serializeRoot(rootOf({ fleet: fleetName.parse('other') }), testSigning.signer).text],
  [
    'altered',
    serializeRoot(rootOf(), testSigning.signer).text.replace('"requires": []', '"requires": ["x"]'),
  ],
  ['truncated', serializeRoot(rootOf(), testSigning.signer).text.slice(0, 100)],
  ['a giant', 'x'.repeat(33 * 2 ** 20)],
  ['version 1 in its place', serializeManifest(emptyManifest(fleet, noon))],
];

for (const [says, text] of foreignRoots) {
  test(`a root that is ${says} is told of, taken over by nobody, and replaced`, async () => {
    const { bucket, pass, events } = await stage();
    bucket.plant(layout.root(fleet), text);

    await pass();

    const root = await published(bucket);
    assert.equal(events.fieldsOf('manifest.foreign').length, 1);
    assert.deepEqual(root.certificates, {});
    assert.ok(root.sequence < 9e15);
  });
}

test('an older root is put back: its sequence is below what hosts report under our signature, so it is signed above that', async () => {
  const { bucket, pass, reasons } = await stage();
  const yesterday = bucket.text(layout.root(fleet)) ?? '';
  const later = serializeRoot(rootOf({ sequence: noon.getTime() + 5 * HOUR_MS }), testSigning.signer);
  const forged = serializeRoot(rootOf({ sequence: 9e15 }), thief);
  const heads = { lb1: later.head, lb2: forged.head, lb3: 'no.head.at-all' };
  for (const [host, head] of Object.entries(heads)) {
    const status = makeHostStatus(host, { contract: 2, head });
    await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
  }
  const deadline = startDeadline(5_000);
  const options = { now: noon, keys: testSigning, deadline };
  const { fleets } = await refreshHostSummaries(bucket, {}, [fleet], options);
  await saveHostSummaries(bucket, { ...NO_SUMMARIES, fleets }, NO_SUMMARIES);
  deadline.clear();
  await bucket.put(layout.root(fleet), yesterday);

  await pass();

  const root = await published(bucket);
  assert.deepEqual(reasons(), ['older']);
  assert.equal(root.sequence, noon.getTime() + 5 * HOUR_MS + 1, 'the stranger’s claim counts for nothing');
});

test('a fleet that cannot be signed is the pass’s failure, and the other fleets are signed', async () => {
  const { bucket } = await stage();
  const { passFor, events } = passOver(bucket, {
    timing: fakeClock(after(noon, DAY_MS)),
    bucket: {
      ...bucket,
      put: async (name, ...rest) => {
        if (name === layout.root(fleet)) throw new RangeError('disk full');
        return bucket.put(name, ...rest);
      },
    },
  });

  const result = await runPass(passFor([{ identifiers: ['a.test'] }]));

  assert.equal((result.error as Error).message, 'disk full');
  assert.equal(result.outcomes[0]?.result, 'kept');
  assert.equal(events.fieldsOf('manifest.failed').length, 1);
});
