/** A11: a published PEM whose object is gone: a pass must not say that all is well. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import { digest } from '#contract/combined-pem.ts';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { emptyManifest, type Manifest } from '#contract/manifest.ts';
import { findLostPems } from '../../../../lambda/pass/lost-pems.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../support/issuer/documents.ts';
import { passOver, publishEntry } from '../../../support/issuer/pass.ts';
import { readPublished } from '../../../support/issuer/signing.ts';

const shaOf = (index: number) => digest(`PEM ${index}`);
const keyOf = (index: number, of = fleet) => layout.pem(of, named(`n${index}.test`), shaOf(index));

/** A fleet whose PEMs are all there. */
async function published(count: number) {
  const bucket = memoryBucket();
  const entries = Array.from({ length: count }, (_, index) => {
    bucket.plant(keyOf(index), `PEM ${index}`);
    const pem = { sha256: shaOf(index), size: `PEM ${index}`.length };
    return [`n${index}.test`, makeEntry({ pems: [makePemRef(pem)] })] as const;
  });
  const manifest: Manifest = { ...emptyManifest(fleet, noon), certificates: Object.fromEntries(entries) };
  const find = (claims: string[] = [], now = noon) => findLostPems(bucket, { manifest, claims, now });
  return { bucket, manifest, find };
}

test('run: a lost PEM is ordered anew, and not said to be kept; the other certificate is', async () => {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'a.test', makeEntry({ identifiers: ['a.test'] }));
  await publishEntry(bucket, 'b.test', makeEntry({ identifiers: ['b.test'] }));
  await bucket.delete(layout.pem(fleet, named('a.test'), 'a'.repeat(64)));
  const { run, events } = passOver(bucket);
  const config = [{ identifiers: ['a.test'] }, { identifiers: ['b.test'] }];

  const planned = await run(config, { dryRun: true });
  const outcomes = await run(config);

  assert.deepEqual(
    planned.map(({ result, reason }) => `${result}: ${reason}`),
    ['planned: pem-lost', 'kept: fresh'],
  );
  // The CA is out of reach.
  assert.deepEqual(
    outcomes.map(({ result, reason }) => `${result}: ${reason}`),
    ['failed: pem-lost', 'kept: fresh'],
  );
  assert.deepEqual(events.fieldsOf('pem.lost')[0]?.['pems'], [
    layout.pem(fleet, named('a.test'), 'a'.repeat(64)),
  ]);
});

test('of a small fleet, one page of the listing says what is missing', async () => {
  const { bucket, find } = await published(100);
  await bucket.delete(keyOf(7));
  const before = bucket.calls.length;

  assert.deepEqual([...(await find())], [keyOf(7)]);
  assert.deepEqual(bucket.calls.slice(before), [`list ${layout.published(fleet)}`, `get ${keyOf(7)}`]);
});

test('of a large fleet, each pass looks at a part, and all passes of a day and a half at the whole', async () => {
  const { bucket, find } = await published(3_000);
  for (const index of [0, 1_234, 2_999]) await bucket.delete(keyOf(index));
  const lost = new Set<string>();
  const before = bucket.calls.length;

  for (let pass = 0; pass < 60; pass += 1) {
    for (const key of await find([], after(noon, pass * 30 * MINUTE_MS))) lost.add(key);
  }

  assert.equal(bucket.calls.slice(before).filter((call) => call.startsWith('list')).length, 60);
  assert.deepEqual([...lost].sort(), [keyOf(0), keyOf(1_234), keyOf(2_999)].sort());
});

test('what hosts cannot get is read: altered is lost, and a claim about what is whole changes nothing', async () => {
  const { bucket, find } = await published(3);
  bucket.plant(keyOf(1), 'PEM A');
  assert.deepEqual([...(await find())], []);
  assert.deepEqual([...(await find([shaOf(0), shaOf(1), 'f'.repeat(64)]))], [keyOf(1)]);
});

test('what was cut short, or has grown, is lost, and nobody has to say so', async () => {
  const { bucket, find } = await published(4);
  bucket.plant(keyOf(1), 'PEM');
  bucket.plant(keyOf(2), 'x'.repeat(100_000));
  bucket.plant(keyOf(3), '');

  assert.deepEqual([...(await find())].sort(), [keyOf(1), keyOf(2), keyOf(3)].sort());
});

test('of the right size, but written after the root: it is read', async () => {
  let now = noon;
  const bucket = memoryBucket(() => now);
  await publishEntry(bucket, 'a.test');
  const { manifest } = (await readPublished(bucket, fleet)) ?? assert.fail();
  const key = layout.pem(fleet, named('a.test'), 'a'.repeat(64));
  const before = bucket.calls.length;
  assert.deepEqual([...(await findLostPems(bucket, { manifest, claims: [], now }))], []);
  assert.equal(bucket.calls.length - before, 1);

  now = after(noon, 1000);
  await bucket.put(key, 'another'.padEnd(3000));

  assert.deepEqual([...(await findLostPems(bucket, { manifest, claims: [], now }))], [key]);
});

test('a staple that is missing, or cut short, is lost, too', async () => {
  const { bucket, manifest, find } = await published(2);
  const body = 'an OCSP response';
  const times = { thisUpdate: noon.toISOString(), nextUpdate: after(noon, MINUTE_MS).toISOString() };
  const [entry, other] = Object.values(manifest.certificates);
  const [pem, otherPem] = [entry?.pems[0], other?.pems[0]];
  assert.ok(pem && otherPem);
  pem.ocsp = { sha256: digest(body), size: body.length, ...times };
  otherPem.ocsp = { sha256: digest(body), ...times };
  const keys = [0, 1].map((index) => layout.ocsp(fleet, named(`n${index}.test`), shaOf(index), digest(body)));
  for (const key of keys) bucket.plant(key, body);
  assert.deepEqual([...(await find())], []);

  bucket.plant(keys[0] ?? '', 'an OCSP');
  await bucket.delete(keys[1] ?? '');

  assert.deepEqual([...(await find())].sort(), keys.sort());
});

test('a host that claims to miss everything costs a pass twenty requests', async () => {
  const { bucket, find } = await published(90);
  const before = bucket.calls.length;

  await find(Array.from({ length: 90 }, (_, index) => shaOf(index)));

  assert.equal(bucket.calls.length - before, 1 + 20);
});

test('a listing that fails stops nothing', async () => {
  const denied = new BucketError('ERR_BUCKET_DENIED', 'published/', 'as planted');
  const bucket = memoryBucket();
  await publishEntry(bucket, 'a.test');
  const { run, events } = passOver(bucket, {
    bucket: { ...bucket, listAfter: () => Promise.reject(denied) },
  });

  const [outcome] = await run([{ identifiers: ['a.test'] }]);

  assert.equal(outcome?.result, 'kept');
  assert.equal(events.fieldsOf('pem.unchecked').length, 1);
});
