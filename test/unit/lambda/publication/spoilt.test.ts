/** Whoever may write to `published/` can make an object unreadable: nothing that the issuer has to do there waits for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { IssuerMemory } from '../../../../lambda/publication/ended.ts';
import { readRoot } from '../../../../lambda/publication/read-manifest.ts';
import { findRevocationTargets } from '../../../../lambda/publication/revoke.ts';
import { readVersion1 } from '../../../../lambda/publication/version1.ts';
import { writeVersion1 } from '../../../../lambda/upgrade/image.ts';
import { KnownIntermediates } from '../../../../lambda/upgrade/known-intermediates.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { OBJECT_FAULTS, spoilt } from '../../../support/bucket/spoilt.ts';
import { noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, makeSpec, named } from '../../../support/issuer/documents.ts';
import { readPublished, testPublisher, testSigning } from '../../../support/issuer/signing.ts';

const a = named('a.test');
const sha = (digit: string) => digit.repeat(64);
const entryOf = (digit: string) => makeEntry({ pems: [makePemRef({ sha256: sha(digit) })] });
const publish = (bucket: Bucket, digit: string) =>
  testPublisher(bucket, fleet).publish(a, entryOf(digit), [{ sha256: sha(digit), text: 'a PEM' }]);

for (const code of OBJECT_FAULTS) {
  const isLasting = code === 'ERR_BUCKET_SIZE' || code === 'ERR_BUCKET_ARCHIVED';
  if (!isLasting) {
    test(`root.json: ${code}: missing rights and a failing disk write over nothing`, async () => {
      const bucket = memoryBucket();
      await publish(bucket, 'a');
      const before = bucket.text(layout.root(fleet));

      await assert.rejects(publish(spoilt(bucket, layout.root(fleet), code), 'b'), { code });

      assert.equal(bucket.text(layout.root(fleet)), before);
    });
  }

  for (const lasting of isLasting ? [code] : []) {
    test(`root.json: ${lasting}: it is not ours, and the next publication replaces it`, async () => {
      const bucket = memoryBucket();
      await publish(bucket, 'a');
      const broken = spoilt(bucket, layout.root(fleet), code);

      const read = await readRoot(broken, fleet, testSigning, new IssuerMemory(broken));
      assert.deepEqual([read.manifest, read.etag, read.fault?.code], [undefined, 'unknown', code]);
      assert.equal(await publish(broken, 'b'), 'published');

      const root = await readPublished(broken, fleet);
      assert.equal(root?.manifest.certificates[a]?.pems[0]?.sha256, sha('b'));
    });

    test(`manifest.json: ${lasting}: it is written over`, async () => {
      const bucket = memoryBucket();
      await publish(bucket, 'a');
      const root = await readPublished(bucket, fleet);
      assert.ok(root);
      bucket.plant(layout.manifest(fleet), 'x');
      const broken = spoilt(bucket, layout.manifest(fleet), code);

      assert.equal(await writeVersion1(broken, root.manifest, { now: noon }), 'written');

      assert.deepEqual(Object.keys((await readVersion1(broken, fleet)).manifest?.certificates ?? {}), [a]);
    });
  }

  test(`an object beside the PEMs: ${code}: withdraw ends the PEMs that manifest and history name`, async () => {
    const bucket = memoryBucket();
    await publish(bucket, 'a');
    await publish(bucket, 'b');
    await publish(bucket, 'c');
    const broken = spoilt(bucket, layout.pem(fleet, a, sha('a')), code);

    const result = await testPublisher(broken, fleet).withdraw([a], { reason: 'withdrawn' });

    assert.deepEqual(result.withdrawn, [a]);
    const root = await readPublished(broken, fleet);
    const ended = root?.manifest.tombstones[a]?.pems.map(({ sha256 }) => sha256);
    assert.deepEqual(ended?.sort(), [sha('a'), sha('b'), sha('c')]);
  });

  test(`an object beside the PEMs: ${code}: revoke --serial reads the others`, async () => {
    const bucket = memoryBucket();
    await publish(bucket, 'a');
    bucket.plant(layout.pem(fleet, a, sha('e')), 'x');
    const broken = spoilt(bucket, layout.pem(fleet, a, sha('e')), code);

    const targets = await findRevocationTargets(
      { bucket: broken, signing: testSigning },
      makeSpec({ name: a }),
      '0A',
    );

    assert.deepEqual(targets, []);
  });

  test(`a PEM: ${code}: it says nothing of intermediates`, async () => {
    const bucket = memoryBucket();
    await publish(bucket, 'a');
    const root = await readPublished(bucket, fleet);
    assert.ok(root);
    const known = new KnownIntermediates(spoilt(bucket, layout.pem(fleet, a, sha('a')), code), [
      root.manifest,
    ]);

    assert.equal(await known.has(sha('0')), false);
  });
}

test('what no issuer writes there is not read', async () => {
  const bucket = memoryBucket();
  await publish(bucket, 'a');
  const stray = `${layout.pems(fleet, a)}zzz.pem`;
  bucket.plant(stray, 'x'.repeat(100_000));

  await testPublisher(bucket, fleet).withdraw([a], { reason: 'withdrawn' });
  await findRevocationTargets({ bucket, signing: testSigning }, makeSpec({ name: a }), '0A');

  assert.ok(!bucket.calls.includes(`get ${stray}`));
});

test('a folder that is too full to be listed: manifest and history say what to end', async () => {
  const bucket = memoryBucket();
  for (const digit of ['a', 'b', 'c']) await publish(bucket, digit);
  const list = (prefix: string) => Promise.reject(new BucketError('ERR_BUCKET_SIZE', prefix, 'as planted'));
  const full = interposed(bucket, { list });

  await findRevocationTargets({ bucket: full, signing: testSigning }, makeSpec({ name: a }), '0A');
  await testPublisher(full, fleet).withdraw([a], { reason: 'withdrawn' });

  assert.ok(bucket.calls.includes(`get ${layout.pem(fleet, a, sha('a'))}`), 'revoke reads earlier ones');
  const root = await readPublished(bucket, fleet);
  const ended = root?.manifest.tombstones[a]?.pems.map(({ sha256 }) => sha256);
  assert.deepEqual(ended?.sort(), [sha('a'), sha('b'), sha('c')]);
});

test('a store that is out of reach writes over nothing', async () => {
  const bucket = memoryBucket();
  await publish(bucket, 'a');
  const before = bucket.text(layout.root(fleet));
  const broken = spoilt(bucket, layout.root(fleet), 'ERR_BUCKET_UNREACHABLE');

  await assert.rejects(publish(broken, 'b'), { code: 'ERR_BUCKET_UNREACHABLE' });

  assert.equal(bucket.text(layout.root(fleet)), before);
});

test('a root that was damaged on its way is read once more', async () => {
  const bucket = memoryBucket();
  await publish(bucket, 'a');
  let reads = 0;
  const get = (key: string, ...rest: []) => {
    reads += key === layout.root(fleet) ? 1 : 0;
    const isDamaged = key === layout.root(fleet) && reads === 1;
    return isDamaged
      ? Promise.reject(new BucketError('ERR_BUCKET_IO', key, 'as planted'))
      : bucket.get(key, ...rest);
  };
  const broken = interposed(bucket, { get } as Partial<Bucket>);

  const { manifest } = await readRoot(broken, fleet, testSigning, new IssuerMemory(broken));

  assert.deepEqual(Object.keys(manifest?.certificates ?? {}), [a]);
});

test('the memory of what was ended is asked again after a failure', async () => {
  const bucket = memoryBucket();
  await publish(bucket, 'a');
  let isDown = true;
  const get = (key: string, ...rest: []) =>
    isDown
      ? Promise.reject(new BucketError('ERR_BUCKET_UNREACHABLE', key, 'down'))
      : bucket.get(key, ...rest);
  const memory = new IssuerMemory(interposed(bucket, { get } as Partial<Bucket>));
  await assert.rejects(memory.of(fleet), { code: 'ERR_BUCKET_UNREACHABLE' });
  isDown = false;

  assert.equal((await memory.of(fleet)).key, testSigning.signer.key);
});
