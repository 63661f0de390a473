/** The image of a root for old agents: what they cannot read is left out, and nothing valid leaves it but by a tombstone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { MAX_MANIFEST_BYTES } from '#contract/limits.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { SignedManifest } from '#contract/root.ts';
import { readVersion1 } from '../../../../lambda/publication/version1.ts';
import { alongWriter } from '../../../../lambda/upgrade/along.ts';
import { writeVersion1 } from '../../../../lambda/upgrade/image.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../support/issuer/documents.ts';
import { recordEvents } from '../../../support/issuer/events.ts';
import { certificatesOf } from '../../../support/manifest.ts';

const at = noon.getTime();
const entryOf = (digit: string, changes: Partial<ManifestEntry> = {}) =>
  makeEntry({ sequence: at, pems: [makePemRef({ sha256: digit.repeat(64) })], ...changes });
const rootOf = (
  entries: Record<string, ManifestEntry>,
  changes: Partial<SignedManifest> = {},
): SignedManifest => ({
  ...{ version: 2, fleet, lineage: 'l', sequence: at, requires: [], tombstones: {} },
  ...{ signedAt: noon.toISOString(), updatedAt: noon.toISOString(), certificates: certificatesOf(entries) },
  ...changes,
});
const later = (entries: Record<string, ManifestEntry>, changes: Partial<SignedManifest> = {}) =>
  rootOf(entries, { sequence: at + 1, updatedAt: after(noon, 1).toISOString(), ...changes });

async function write(...roots: SignedManifest[]) {
  const bucket = memoryBucket();
  const results: string[] = [];
  for (const root of roots) results.push(await writeVersion1(bucket, root, { now: noon }));
  const names = async () => Object.keys((await readVersion1(bucket, fleet)).manifest?.certificates ?? {});
  return { bucket, results, names: await names() };
}

test('what nobody ordered is left out: an old agent would refuse the whole', async () => {
  const imported = entryOf('b', { issued: { origin: 'imported', importedAt: noon.toISOString() } });

  assert.deepEqual((await write(rootOf({ a: entryOf('a'), b: imported }))).names, ['a']);
});

test('a root that is only signed anew writes nothing', async () => {
  const root = rootOf({ a: entryOf('a') });

  const { results } = await write(root, {
    ...root,
    sequence: at + 9,
    signedAt: after(noon, HOUR_MS).toISOString(),
  });

  assert.deepEqual(results, ['written', 'unchanged']);
});

test('what the root lacks stays, until a tombstone names it or it has expired', async () => {
  const first = rootOf({ a: entryOf('a'), b: entryOf('b') });
  const expired = entryOf('b', {
    pems: [makePemRef({ sha256: 'b'.repeat(64), notAfter: noon.toISOString() })],
  });
  const pems = [{ sha256: 'b'.repeat(64), notAfter: after(noon, 90 * DAY_MS).toISOString() }];
  const ended = { [named('b')]: { reason: 'withdrawn', at: noon.toISOString(), pems } };

  assert.deepEqual((await write(first, later({ a: entryOf('a') }))).names, ['a', 'b']);
  assert.deepEqual((await write(first, later({ a: entryOf('a') }, { tombstones: ended }))).names, ['a']);
  assert.deepEqual((await write(rootOf({ a: entryOf('a'), b: expired }), later({ a: entryOf('a') }))).names, [
    'a',
  ]);
});

test('made anew after a loss, it waits for the configured certificates, for a day; an empty one is never written', async () => {
  const write1 = (hours: number, root = rootOf({ a: entryOf('a') })) =>
    writeVersion1(memoryBucket(), root, { now: after(noon, hours * HOUR_MS), configured: ['a', 'b'] });

  assert.deepEqual(
    [
      await write1(1),
      await write1(25),
      await write1(25, rootOf({})),
      await write1(1, rootOf({ a: entryOf('a'), b: entryOf('b') })),
    ],
    ['held', 'written', 'held', 'written'],
  );
});

test('what others wrote stays until it is judged, and a mark of the far future does not make it stay', async () => {
  const { bucket } = await write(rootOf({ a: entryOf('a') }));
  const document = JSON.parse(bucket.text(layout.manifest(fleet)) ?? '');
  const put = (changes: object) =>
    bucket.put(layout.manifest(fleet), JSON.stringify({ ...document, ...changes }));

  await put({ updatedAt: after(noon, 5).toISOString() });
  assert.equal(await writeVersion1(bucket, later({ a: entryOf('c') }), { now: noon }), 'foreign');
  const { etag } = await readVersion1(bucket, fleet);
  assert.equal(
    await writeVersion1(bucket, later({ a: entryOf('c') }), { now: noon, judged: etag }),
    'written',
  );
  await put({ alongside: { sequence: 9_007_199_254_740_991, updatedAt: document.updatedAt } });
  assert.equal(await writeVersion1(bucket, later({ a: entryOf('c') }), { now: noon }), 'written');
});

test('whoever fills manifest.json keeps no commit from it: the root is whole in it, and configured names come before others', async () => {
  const big = { ...entryOf('d'), unknown: 'x'.repeat(60_000) };
  const count = Math.floor(MAX_MANIFEST_BYTES / JSON.stringify({ 'j999.test': big }).length) - 1;
  const junk = Object.fromEntries(Array.from({ length: count }, (_, index) => [`j${index}.test`, big]));
  const lost = { 'zz.test': entryOf('b') };
  const bucket = memoryBucket();
  const updatedAt = noon.toISOString();
  const alongside = { sequence: at, updatedAt };
  const document = { version: 1, fleet, updatedAt, certificates: { ...junk, ...lost }, alongside };
  bucket.plant(layout.manifest(fleet), JSON.stringify(document));
  const options = { now: noon, configured: ['a.test', 'zz.test'] };

  assert.equal(await writeVersion1(bucket, later({ 'a.test': entryOf('a') }), options), 'written');

  const { manifest } = await readVersion1(bucket, fleet);
  const names = Object.keys(manifest?.certificates ?? {});
  assert.ok(names.length > 500 && names.length < count + 2, `${names.length} of ${count}`);
  assert.ok(names.includes('a.test') && names.includes('zz.test'));
  assert.equal(await writeVersion1(bucket, later({ 'a.test': entryOf('a') }), options), 'unchanged');
});

test('a version 1 that cannot be made is logged, and the commit stands', async () => {
  const events = recordEvents();
  const bucket = memoryBucket();
  const along = alongWriter(
    { bucket, log: events.log },
    { isNeeded: () => true, optionsOf: () => ({ now: noon }) },
  );

  await along(rootOf({ a: entryOf('a', { pems: [] }) }));

  assert.equal(events.fieldsOf('version-1.failed')[0]?.['code'], 'ERR_MANIFEST_SCHEMA');
});
