/** What an issuer takes back: tombstones that end digests, never names; and what it holds back until the operator's word. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { digest, parse } from '#contract/combined-pem.ts';
import { fleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { readReceipt } from '#contract/receipt.ts';
import type { Bucket } from '#storage/bucket.ts';
import { IssuerMemory } from '../../../../lambda/publication/ended.ts';
import { publishedPems } from '../../../../lambda/publication/published-pems.ts';
import { unitePems } from '../../../../lambda/publication/tombstones.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../support/issuer/documents.ts';
import { readPublished, testPublisher, testSigning } from '../../../support/issuer/signing.ts';
import { createPki, type Pki } from '../../../support/parts/pki.ts';

let pki: Pki;
before(async () => {
  pki = await createPki();
});

async function issue(
  name: string,
  days = 90,
): Promise<{ entry: ManifestEntry; text: string; sha256: string }> {
  const notAfter = after(noon, days * DAY_MS);
  const { combined: text } = await pki.issue({ names: [name], notBefore: after(noon, -DAY_MS), notAfter });
  const sha256 = digest(text);
  const { leaf } = parse(text);
  const end = new Date(leaf.validTo).toISOString();
  return {
    entry: makeEntry({ identifiers: [name], pems: [makePemRef({ sha256, notAfter: end })] }),
    text,
    sha256,
  };
}

async function publish(bucket: Bucket, name: string, days?: number): Promise<string> {
  const { entry, text, sha256 } = await issue(name, days);
  await testPublisher(bucket, fleet).publish(named(name), entry, [{ sha256, text }]);
  return sha256;
}

async function rootOf(bucket: Bucket) {
  const read = await readPublished(bucket, fleet);
  assert.ok(read);
  const { certificates, tombstones } = read.manifest;
  return {
    ...read.manifest,
    names: Object.keys(certificates),
    tombstone: (name: string) => tombstones[named(name)],
  };
}

test('withdraw: the entry goes, and a tombstone names every valid PEM that was ever published under the name', async () => {
  const bucket = memoryBucket();
  const first = await publish(bucket, 'a.test');
  const expired = await issue('a.test', -0.5);
  await bucket.put(layout.pem(fleet, named('a.test'), expired.sha256), expired.text);
  await bucket.put(layout.pem(fleet, named('a.test'), 'f'.repeat(64)), 'no PEM');
  const second = await publish(bucket, 'a.test');
  const third = await publish(bucket, 'a.test', 60);
  const other = await publish(bucket, 'b.test');

  const result = await testPublisher(bucket, fleet).withdraw([named('a.test')], { reason: 'withdrawn' });

  const root = await rootOf(bucket);
  assert.deepEqual(result, { withdrawn: ['a.test'], held: [], unknown: [] });
  assert.deepEqual(root.names, ['b.test']);
  const { reason, at, pems = [] } = root.tombstone('a.test') ?? {};
  assert.deepEqual([reason, at], ['withdrawn', noon.toISOString()]);
  assert.deepEqual(pems.map(({ sha256 }) => sha256).sort(), [first, second, third].sort());
  assert.equal(root.certificates[named('b.test')]?.pems[0]?.sha256, other);
});

test('what is published under the name later is not hit, and the tombstone stays until 30 days after the last of its PEMs has expired', async () => {
  const bucket = memoryBucket();
  await publish(bucket, 'a.test', 10);
  await publish(bucket, 'a.test', 20);
  await testPublisher(bucket, fleet).withdraw([named('a.test')], { reason: 'withdrawn' });

  const again = await publish(bucket, 'a.test');
  const at = (days: number) => ({ now: () => after(noon, days * DAY_MS) });
  await testPublisher(bucket, fleet, at(15)).maintain(new Set());
  const during = await rootOf(bucket);
  await testPublisher(bucket, fleet, at(45)).maintain(new Set());
  const expired = await rootOf(bucket);
  await testPublisher(bucket, fleet, at(51)).maintain(new Set());
  const ended = await rootOf(bucket);

  assert.equal(during.certificates[named('a.test')]?.pems[0]?.sha256, again);
  assert.equal(during.tombstone('a.test')?.pems.length, 2);
  assert.equal(expired.tombstone('a.test')?.pems.length, 2);
  assert.equal(ended.tombstone('a.test'), undefined);
  assert.deepEqual(ended.names, ['a.test']);
});

test('one pass with the clock a year ahead forgets no tombstone, and drops no expired entry', async () => {
  const bucket = memoryBucket();
  await publish(bucket, 'a.test');
  await publish(bucket, 'b.test');
  await testPublisher(bucket, fleet).withdraw([named('a.test')], { reason: 'withdrawn' });

  await testPublisher(bucket, fleet, { now: () => after(noon, 365 * DAY_MS) }).maintain(new Set());

  const root = await rootOf(bucket);
  assert.equal(root.tombstone('a.test')?.reason, 'withdrawn');
  assert.deepEqual(root.names, ['b.test']);
  const { tombstones } = await new IssuerMemory(bucket).of(fleet);
  assert.deepEqual(Object.keys(tombstones), ['a.test']);
});

test('a thousand other PEMs of the name, and a giant below it, push out nothing that was published', async () => {
  const bucket = memoryBucket();
  const gone = await publish(bucket, 'a.test');
  await publish(bucket, 'a.test');
  const present = await publish(bucket, 'a.test');
  await publish(bucket, 'b.test');
  // After 30 days unnamed; only the history has it.
  await bucket.delete(layout.pem(fleet, named('a.test'), gone));
  const planted = Array.from({ length: 1000 }, (_, index) => {
    return { sha256: `${index}`.padStart(64, 'f'), notAfter: '2090-01-01T00:00:00.000Z' };
  });
  bucket.plant(layout.pem(fleet, named('a.test'), '0'.repeat(64)), 'x'.repeat(100_000));

  const entry = (await readPublished(bucket, fleet))?.manifest.certificates[named('a.test')];
  const stored = await publishedPems(bucket, fleet, { name: named('a.test'), entry }, noon);
  const known = new Map([[named('a.test'), unitePems(stored, planted)]]);
  bucket.calls.length = 0;
  const { withdrawn } = await testPublisher(bucket, fleet).withdraw([named('a.test')], {
    ...{ reason: 'withdrawn', known },
  });
  assert.deepEqual(
    bucket.calls.filter((call) => call.includes('/pem/')),
    [],
    'what the caller has read is not read again',
  );

  const root = await rootOf(bucket);
  const ended = new Set(root.tombstone('a.test')?.pems.map(({ sha256 }) => sha256));
  assert.deepEqual([withdrawn, root.names, ended.size], [['a.test'], ['b.test'], 1000]);
  assert.deepEqual(
    [gone, present].map((sha256) => ended.has(sha256)),
    [true, true],
  );
});

test('a fleet may have thousands of tombstones, and a broken record of one fleet is none of another', async () => {
  const bucket = memoryBucket();
  const other = fleetName.parse('other');
  const word = { reason: 'superseded', at: noon.toISOString(), by: [named('y.test')] };
  const tombstones = Object.fromEntries(
    Array.from({ length: 5000 }, (_, index) => {
      const pems = [{ sha256: `${index}`.padStart(64, '0'), notAfter: after(noon, DAY_MS).toISOString() }];
      return [`c${index}.example.com`, { ...word, pems }];
    }),
  );

  await new IssuerMemory(bucket).keep(fleet, { tombstones }, noon);
  await bucket.put(layout.tombstones(other), '{}');

  const memory = new IssuerMemory(bucket);
  assert.equal(Object.keys((await memory.of(fleet)).tombstones).length, 5000);
  await assert.rejects(memory.of(other), { code: 'ERR_TOMBSTONES' });
  assert.deepEqual(await memory.fleets(), [fleet, other]);
});

test('a PEM that was ended is published again only on an operator’s word', async () => {
  const bucket = memoryBucket();
  const { entry, text, sha256 } = await issue('a.test');
  const publisher = testPublisher(bucket, fleet);
  await publisher.publish(named('a.test'), entry, [{ sha256, text }]);
  await publisher.withdraw([named('a.test')], { reason: 'withdrawn' });
  const ended = await rootOf(bucket);

  const refused = await publisher.publish(named('a.test'), entry, [{ sha256, text }]);
  const still = await rootOf(bucket);
  const again = await publisher.reinstate(named('a.test'), entry, [{ sha256, text }]);

  const root = await rootOf(bucket);
  assert.deepEqual([refused, again], ['unchanged', 'published']);
  assert.deepEqual([still.names, root.names], [[], ['a.test']]);
  assert.equal(root.tombstone('a.test'), undefined);
  assert.ok((root.certificates[named('a.test')]?.sequence ?? 0) > ended.sequence, 'hosts take it again');
});

test('a published/ of yesterday brings nothing back that was withdrawn, and an operator’s word is remembered too', async () => {
  const bucket = memoryBucket();
  const { entry, text, sha256 } = await issue('a.test');
  const publisher = testPublisher(bucket, fleet);
  await publisher.publish(named('a.test'), entry, [{ sha256, text }]);
  const yesterday = bucket.text(layout.root(fleet)) ?? '';
  const restored = async () => {
    await bucket.put(layout.root(fleet), yesterday);
    await testPublisher(bucket, fleet).maintain(new Set());
    return rootOf(bucket);
  };

  await publisher.withdraw([named('a.test')], { reason: 'withdrawn' });
  const ended = await restored();
  await publisher.reinstate(named('a.test'), entry, [{ sha256, text }]);
  const again = await restored();

  assert.deepEqual([ended.names, ended.tombstone('a.test')?.reason], [[], 'withdrawn']);
  assert.deepEqual([again.names, again.tombstone('a.test')], [['a.test'], undefined]);
});

for (const [says, count, names, yes, held] of [
  ['two of six are a third', 6, 2, false, 0],
  ['two of five are more than a third', 5, 2, false, 2],
  ['one of one is one', 1, 1, false, 0],
  ['all', 3, 3, false, 3],
  ['all, and the operator says so', 3, 3, true, 0],
] as const) {
  test(`withdraw: ${says}: ${held} are held back`, async () => {
    const bucket = memoryBucket();
    const all = Array.from({ length: count }, (_, index) => named(`n${index}.test`));
    for (const name of all) await publish(bucket, name);

    const wanted = all.slice(0, names);
    const result = await testPublisher(bucket, fleet).withdraw(wanted, { reason: 'withdrawn', yes });

    assert.equal(result.held.length, held);
    assert.equal(result.withdrawn.length, names - held);
    const root = await rootOf(bucket);
    assert.equal(root.names.length, count - names + held);
    assert.equal(Object.keys(root.tombstones).length, names - held);
    if (held > 0) assert.equal(bucket.text(layout.tombstones(fleet))?.includes('withdrawn'), false);
  });
}

test('held removals hold back nothing else: a renewal of the same commit goes out', async () => {
  const bucket = memoryBucket();
  for (const name of ['a.test', 'b.test', 'c.test']) await publish(bucket, name);
  const publisher = testPublisher(bucket, fleet);
  const { entry, text, sha256 } = await issue('c.test');

  const [, withdrawn, published] = await Promise.all([
    // The first commit is on its way: the two others share the next.
    publisher.maintain(new Set()),
    publisher.withdraw([named('a.test'), named('b.test')], { reason: 'withdrawn' }),
    publisher.publish(named('c.test'), entry, [{ sha256, text }]),
  ]);

  assert.deepEqual([withdrawn.held, published], [['a.test', 'b.test'], 'published']);
  const root = await rootOf(bucket);
  assert.equal(root.certificates[named('c.test')]?.pems[0]?.sha256, sha256);
  assert.equal(root.names.length, 3);
});

test('superseded certificates do not count, and their tombstone names what took their place', async () => {
  const bucket = memoryBucket();
  for (const name of ['a.test', 'b.test', 'c.test']) await publish(bucket, name);
  const publisher = testPublisher(bucket, fleet);

  const ended = await Promise.all(
    ['a.test', 'b.test'].map((name) => publisher.supersede(named(name), [named('c.test')])),
  );

  const root = await rootOf(bucket);
  assert.deepEqual([ended, root.names], [[true, true], ['c.test']]);
  assert.deepEqual(
    [root.tombstone('a.test')?.reason, root.tombstone('b.test')?.by],
    ['superseded', ['c.test']],
  );
});

test('a name of which nothing valid was published is unknown, and nothing is written for it', async () => {
  const bucket = memoryBucket();
  await publish(bucket, 'a.test');
  const text = bucket.text(layout.root(fleet));

  const result = await testPublisher(bucket, fleet).withdraw([named('b.test')], { reason: 'withdrawn' });

  assert.deepEqual(result, { withdrawn: [], held: [], unknown: ['b.test'] });
  assert.equal(bucket.text(layout.root(fleet)), text);
});

test('of a pair, the PEM that was revoked ends, and the other stays', async () => {
  const bucket = memoryBucket();
  const [one, two] = [await issue('a.test'), await issue('a.test')];
  const entry = { ...one.entry, pems: [...one.entry.pems, ...two.entry.pems] };
  const publisher = testPublisher(bucket, fleet);
  await publisher.publish(named('a.test'), entry, [one, two]);

  const { notAfter } = makePemRef();
  await publisher.endPems(named('a.test'), [{ sha256: one.sha256, notAfter }], { reason: 'revoked' });

  const root = await rootOf(bucket);
  assert.deepEqual(
    root.certificates[named('a.test')]?.pems.map(({ sha256 }) => sha256),
    [two.sha256],
  );
  assert.equal(root.tombstone('a.test')?.reason, 'revoked');
});

test('each PEM has a receipt that says whose it is and when it came, and keeps it', async () => {
  const bucket = memoryBucket();
  const sha256 = await publish(bucket, 'a.test');
  const first = await rootOf(bucket);
  await publish(bucket, 'b.test');
  const second = await rootOf(bucket);

  const [pem] = second.certificates[named('a.test')]?.pems ?? [];
  const { claims, key } = readReceipt(pem?.receipt ?? '');
  assert.equal(key, testSigning.signer.key);
  assert.deepEqual(claims, {
    ...{ fleet: 'default', name: 'a.test', sha256, notAfter: pem?.notAfter },
    sequence: first.sequence,
  });
  assert.ok(second.sequence > first.sequence);
  assert.equal(second.certificates[named('a.test')]?.sequence, first.sequence);
  assert.ok((second.certificates[named('b.test')]?.sequence ?? 0) === second.sequence);
});
