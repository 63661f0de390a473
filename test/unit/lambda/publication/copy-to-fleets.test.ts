// A certificate that several fleets want is issued once and copied.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { DAY_MS, MINUTE_MS } from '#common/time.ts';
import { digest } from '#contract/combined-pem.ts';
import { fleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry, PemRef } from '#contract/manifest.ts';
import { readReceipt } from '#contract/receipt.ts';
import { copyToFleets, isLostEverywhere } from '../../../../lambda/publication/entry.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { makeEntry, makePemRef, makeSpec, named } from '../../../support/issuer/documents.ts';
import { recordEvents } from '../../../support/issuer/events.ts';
import { readPublished, testPublisher } from '../../../support/issuer/signing.ts';
import { createPki } from '../../../support/parts/pki.ts';

const [one, two, three] = [fleetName.parse('one'), fleetName.parse('two'), fleetName.parse('three')];
const spec = makeSpec({ fleets: [one, two, three] });
const name = named('a.test');
const older = makeEntry({
  publishedAt: after(noon, -1_000).toISOString(),
  pems: [makePemRef({ sha256: 'b'.repeat(64) })],
});

let text: string;
let sha256: string;
before(async () => {
  const validity = { notBefore: after(noon, -DAY_MS), notAfter: after(noon, 90 * DAY_MS) };
  text = (await (await createPki()).issue({ names: ['a.test'], ...validity })).combined;
  sha256 = digest(text);
});

/** The certificate is published to fleet one only. */
async function scene(changes: Partial<ManifestEntry> = {}) {
  const entry = makeEntry({ pems: [makePemRef({ sha256 })], ...changes });
  const bucket = memoryBucket();
  const { log, names } = recordEvents();
  const publishers = new Map([one, two, three].map((fleet) => [fleet, testPublisher(bucket, fleet)]));
  const texts = [{ sha256, text }];
  await publishers.get(one)?.publish(name, entry, texts);
  const read = async () =>
    new Map(
      await Promise.all(
        [one, two, three].map(async (fleet) => [fleet, await readPublished(bucket, fleet)] as const),
      ),
    );
  return {
    bucket,
    names,
    read,
    deps: { bucket, log, timing: fakeClock(), publishers, manifests: await read() },
    entry,
  };
}

test('a certificate is copied to the fleets that lack it, and nothing is ordered', async () => {
  const { bucket, deps, read, names, entry } = await scene();

  await copyToFleets(deps, deps, spec, entry);

  for (const [fleet, manifest] of await read()) {
    assert.equal(manifest?.manifest.certificates[name]?.pems[0]?.sha256, sha256);
    assert.equal(bucket.text(layout.pem(fleet, name, sha256)), text);
  }
  assert.deepEqual(names(), ['manifest.published a.test', 'manifest.published a.test']);
});

test('a copy is as old as what it is a copy of: a host of that fleet that has a newer one keeps it', async () => {
  const { deps, read, entry } = await scene();
  const later = testPublisher(deps.bucket, two, { now: () => after(noon, 60_000) });
  const published = (await read()).get(one)?.manifest.certificates[name] ?? entry;

  await copyToFleets(deps, { ...deps, publishers: new Map([[two, later]]) }, spec, published);

  const copied = (await read()).get(two)?.manifest;
  assert.equal(copied?.sequence, after(noon, 60_000).getTime());
  assert.equal(copied?.certificates[name]?.sequence, published.sequence);
  const receipt = readReceipt(copied?.certificates[name]?.pems[0]?.receipt ?? '');
  assert.deepEqual([receipt.claims.fleet, receipt.claims.sequence], [two, published.sequence]);
});

test('where every fleet has it, nothing is read and nothing is written', async () => {
  const { bucket, deps, read, entry } = await scene();
  await copyToFleets(deps, deps, spec, entry);
  const again = { ...deps, manifests: await read() };
  const calls = bucket.calls.length;

  await copyToFleets(again, again, spec, entry);

  assert.equal(bucket.calls.length, calls);
});

test('a fleet that lags behind keeps its own publication as the one before', async () => {
  const { deps, read, entry } = await scene();
  await deps.publishers.get(two)?.publish(name, older, [{ sha256: 'b'.repeat(64), text: 'old' }]);

  await copyToFleets(deps, { ...deps, manifests: await read() }, spec, entry);

  const manifests = await read();
  assert.deepEqual(
    manifests.get(two)?.manifest.certificates[name]?.previous?.pems[0]?.sha256,
    'b'.repeat(64),
  );
});

test('a fleet that gets its first publication has none before it: the PEM would not be in its prefix', async () => {
  const previous = { publishedAt: older.publishedAt, pems: older.pems };
  const { deps, read, entry } = await scene({ previous });

  await copyToFleets(deps, deps, spec, entry);

  assert.equal((await read()).get(two)?.manifest.certificates[name]?.previous, undefined);
});

for (const [says, spoil] of [
  ['missing', (bucket: ReturnType<typeof memoryBucket>, key: string) => bucket.delete(key)],
  ['altered', (bucket: ReturnType<typeof memoryBucket>, key: string) => bucket.put(key, 'another PEM')],
] as const) {
  test(`a PEM that is ${says} is not spread, and the message holds its key only`, async () => {
    const { bucket, deps, read, entry } = await scene();
    const key = layout.pem(one, name, sha256);
    await spoil(bucket, key);

    await assert.rejects(copyToFleets(deps, deps, spec, entry), {
      code: 'ERR_BUCKET_IO',
      key,
      message: `${key}: is missing or altered`,
    });

    assert.equal((await read()).get(two), undefined);
  });
}

test('another line in the crt-list is published to every fleet, without an order and without a new previous', async () => {
  const { deps, read, entry, names } = await scene();
  await copyToFleets(deps, deps, spec, entry);
  const haproxy = { crtListOptions: ['alpn h2'], sniFilters: ['a.test'] };

  await copyToFleets(deps, { ...deps, manifests: await read() }, { ...spec, haproxy }, entry);
  const listed = [...(await read()).values()].map((read) => read?.manifest.certificates[name]);
  const newest = listed[0] ?? entry;
  await copyToFleets(deps, { ...deps, manifests: await read() }, spec, newest);
  const unlisted = [...(await read()).values()].map((read) => read?.manifest.certificates[name]);

  for (const seen of listed) assert.deepEqual([seen?.haproxy, seen?.previous], [haproxy, undefined]);
  const bare = ({ receipt: _, ...pem }: PemRef) => pem;
  for (const seen of unlisted) {
    assert.deepEqual([seen?.haproxy, seen?.pems.map(bare)], [undefined, entry.pems]);
  }
  assert.equal(names().length, 2 + 3 + 3);
});

/** Fleet one has what it should not have: nobody knows how. */
const refusals: [says: string, changes: Partial<ManifestEntry>, code: string][] = [
  [
    'says that it was published in the year 9999',
    { publishedAt: '9999-01-01T00:00:00.000Z' },
    'ERR_MANIFEST_SCHEMA',
  ],
  ['does not carry a configured name', { identifiers: ['a.test', 'b.test'] }, 'ERR_PEM_NAMES'],
];
for (const [says, changes, code] of refusals) {
  test(`a publication that ${says} is not copied: verified like a new issue`, async () => {
    const { deps, read, entry } = await scene(changes);
    const wanted = makeSpec({ fleets: [one, two, three], identifiers: entry.identifiers });

    await assert.rejects(copyToFleets(deps, deps, wanted, entry), { code });

    assert.equal((await read()).get(two), undefined);
  });
}

test('five minutes ahead are another clock, and no future', async () => {
  const { deps, read, entry } = await scene({ publishedAt: after(noon, 5 * MINUTE_MS).toISOString() });

  await copyToFleets(deps, deps, spec, entry);

  assert.ok((await read()).get(two));
});

test('an expired certificate is not copied', async () => {
  const { deps, entry } = await scene();
  const late = { ...deps, timing: fakeClock(after(noon, 91 * DAY_MS)) };

  await assert.rejects(copyToFleets(late, deps, spec, entry), { code: 'ERR_PEM_VALIDITY' });
});

test('what was withdrawn from a fleet does not come back to it from another', async () => {
  const { deps, read, entry, names } = await scene();
  await copyToFleets(deps, deps, spec, entry);
  await deps.publishers.get(two)?.withdraw([name], { reason: 'withdrawn' });
  const told = names().length;

  await copyToFleets(deps, { ...deps, manifests: await read() }, spec, entry);

  assert.deepEqual((await read()).get(two)?.manifest.certificates, {});
  assert.equal(names().length, told);
});

for (const [says, spoil] of [
  ['missing', (bucket: ReturnType<typeof memoryBucket>, key: string) => bucket.delete(key)],
  ['altered', (bucket: ReturnType<typeof memoryBucket>, key: string) => bucket.put(key, 'another PEM')],
] as const) {
  test(`a PEM that is ${says} in one fleet comes again from another, without an order`, async () => {
    const { bucket, deps, read, entry, names } = await scene();
    await copyToFleets(deps, deps, spec, entry);
    const key = layout.pem(one, name, sha256);
    await spoil(bucket, key);
    const fleets = { ...deps, manifests: await read(), lostPems: new Set([key]) };

    assert.equal(isLostEverywhere(spec, fleets), false);
    await copyToFleets(deps, fleets, spec, entry);

    assert.equal(bucket.text(key), text);
    assert.equal(names().at(-1), 'pem.restored a.test');
  });
}

test('a PEM that is lost in every fleet that had it is lost', async () => {
  const { deps } = await scene();

  assert.equal(isLostEverywhere(spec, { ...deps, lostPems: new Set([layout.pem(one, name, sha256)]) }), true);
  assert.equal(isLostEverywhere(spec, deps), false);
});
