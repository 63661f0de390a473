import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { type SignedManifest, serializeRoot } from '#contract/root.ts';
import { AuditTrail } from '../../../../lambda/audit/trail.ts';
import { readHistory } from '../../../../lambda/publication/history/history.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../support/issuer/documents.ts';
import { readPublished, testPublisher, testSigning } from '../../../support/issuer/signing.ts';

const key = layout.root(fleet);
const sha = (digit: string) => digit.repeat(64);
const certificate = (digit: string, changes: Partial<ManifestEntry> = {}) => ({
  entry: makeEntry({ pems: [makePemRef({ sha256: sha(digit) })], ...changes }),
  texts: [{ sha256: sha(digit), text: `PEM ${digit}` }],
});
const a = named('a.test');
const rootWith = (
  certificates: SignedManifest['certificates'],
  changes: Partial<SignedManifest> & { fromTheFuture?: object } = {},
): SignedManifest => ({
  ...{ version: 2, fleet, lineage: testSigning.lineage, sequence: 1, requires: [], tombstones: {} },
  ...{ signedAt: noon.toISOString(), updatedAt: noon.toISOString(), certificates, ...changes },
});

async function publishOne(
  bucket: ReturnType<typeof memoryBucket>,
  name: string,
  digit: string,
  changes = {},
) {
  const { entry, texts } = certificate(digit, changes);
  return testPublisher(bucket, fleet).publish(named(name), entry, texts);
}

test('the PEM is there before the manifest names it', async () => {
  const bucket = memoryBucket();

  assert.equal(await publishOne(bucket, 'a.test', 'a'), 'published');

  const pem = layout.pem(fleet, a, sha('a'));
  assert.deepEqual(
    bucket.calls.filter((call) => call.startsWith('put')),
    [pem, key, layout.tombstones(fleet), layout.history(fleet, a)].map((put) => `put ${put}`),
  );
  assert.equal(bucket.text(pem), 'PEM a');
  const read = await readPublished(bucket, fleet);
  assert.deepEqual(read?.manifest.certificates[a]?.pems[0]?.sha256, sha('a'));
});

test('the root says how long hosts keep replaced keys, also after a command that does not know', async () => {
  const bucket = memoryBucket();
  const { entry, texts } = certificate('a');
  await testPublisher(bucket, fleet, { keyRetentionDays: 7 }).publish(a, entry, texts);
  assert.equal((await readPublished(bucket, fleet))?.manifest.keyRetentionDays, 7);

  await publishOne(bucket, 'b.test', 'b');
  assert.equal((await readPublished(bucket, fleet))?.manifest.keyRetentionDays, 7);

  await testPublisher(bucket, fleet, { keyRetentionDays: 9 }).maintain(new Set());
  assert.equal((await readPublished(bucket, fleet))?.manifest.keyRetentionDays, 9);
});

test('when a key was said to be stolen is said once, and no later word moves it or takes it back', async () => {
  const bucket = memoryBucket();
  await publishOne(bucket, 'a.test', 'a');
  const stolen = { reason: 'revoked', isStolen: true } as const;
  const pem = (digit: string) => ({ sha256: sha(digit), notAfter: after(noon, 90 * DAY_MS).toISOString() });
  await testPublisher(bucket, fleet).endPems(a, [pem('a')], stolen);
  const later = { now: () => after(noon, DAY_MS) };

  await testPublisher(bucket, fleet, later).endPems(a, [pem('b')], { reason: 'withdrawn' });

  const tombstone = (await readPublished(bucket, fleet))?.manifest.tombstones[a];
  assert.deepEqual(
    [tombstone?.reason, tombstone?.at, tombstone?.stolenAt],
    ['withdrawn', later.now().toISOString(), noon.toISOString()],
  );
});

test('a history that cannot be written is logged, and the certificate is published', async () => {
  const bucket = memoryBucket();
  const failing = interposed(bucket, {
    put: (...args) =>
      args[0] === layout.history(fleet, a)
        ? Promise.reject(new BucketError('ERR_BUCKET_DENIED', args[0], 'is not accessible'))
        : bucket.put(...args),
  });
  const events: string[] = [];
  const { entry, texts } = certificate('a');

  const result = await testPublisher(failing, fleet, {
    log: (event, fields) => events.push(`${event} ${fields?.['certificate']} ${fields?.['code']}`),
  }).publish(a, entry, texts);

  assert.equal(result, 'published');
  assert.deepEqual(events, ['history.failed a.test ERR_BUCKET_DENIED']);
});

test('the history says why it was due, and what the operator said, as the audit trail does', async () => {
  const bucket = memoryBucket();
  const actor = { by: 'root (sudo: ada)', command: 'pemfleet renew a.test', reason: 'old phones' };
  const audit = new AuditTrail(bucket, actor, () => noon);
  const { entry, texts } = certificate('a');

  await testPublisher(bucket, fleet, { audit }).publish(a, entry, texts, {
    action: 'renewed',
    reason: 'forced',
  });

  const [version] = await readHistory(bucket, fleet, a);
  const { by, command } = actor;
  assert.deepEqual(version?.why, { action: 'renewed', reason: 'forced: old phones', by, command });
});

test('a PEM that cannot be put is not published', async () => {
  const bucket = memoryBucket();
  const failing = interposed(bucket, { put: () => Promise.reject(new RangeError('disk full')) });
  const { entry, texts } = certificate('a');

  await assert.rejects(testPublisher(failing, fleet).publish(a, entry, texts), RangeError);

  assert.equal(bucket.text(key), undefined);
});

test('other certificates, and fields of newer versions, stay as they are', async () => {
  const bucket = memoryBucket();
  const { entry } = certificate('b', { fromTheFuture: 1 });
  const manifest = rootWith({ [named('b.test')]: entry }, { fromTheFuture: { deep: true } });
  await bucket.put(key, serializeRoot(manifest, testSigning.signer).text);

  await publishOne(bucket, 'a.test', 'a');

  const { certificates, ...rest } = JSON.parse(bucket.text(key) ?? '');
  assert.deepEqual(rest['fromTheFuture'], { deep: true });
  const { sequence, pems, ...other } = certificates['b.test'];
  assert.deepEqual(
    { ...other, pems: pems.map(({ receipt: _, ...pem }: { receipt: string }) => pem) },
    JSON.parse(JSON.stringify(entry)),
  );
  assert.equal(sequence, rest['sequence']);
  assert.deepEqual(Object.keys(certificates), ['a.test', 'b.test']);
});

test('what is published already is not written again: the ETag stays', async () => {
  const bucket = memoryBucket();
  await publishOne(bucket, 'a.test', 'a');
  const before = (await readPublished(bucket, fleet))?.etag;
  const calls = bucket.calls.length;

  const result = await publishOne(bucket, 'a.test', 'a', { publishedAt: after(noon, 1).toISOString() });

  assert.equal(result, 'unchanged');
  assert.equal((await readPublished(bucket, fleet))?.etag, before);
  assert.ok(!bucket.calls.slice(calls).includes(`put ${key}`));
});

test('the publication before is kept for a rollback, and only that one', async () => {
  const bucket = memoryBucket();
  for (const digit of ['1', '2', '3']) await publishOne(bucket, 'a.test', digit);

  const entry = (await readPublished(bucket, fleet))?.manifest.certificates[a];

  assert.equal(entry?.pems[0]?.sha256, sha('3'));
  assert.deepEqual(entry?.previous, {
    publishedAt: noon.toISOString(),
    pems: [makePemRef({ sha256: sha('2') })],
  });
  for (const digit of ['1', '2', '3']) {
    assert.equal(bucket.text(layout.pem(fleet, a, sha(digit))), `PEM ${digit}`);
  }
});

/** Before the first put of the manifest, another writer puts its own. */
function withRival(bucket: ReturnType<typeof memoryBucket>, times: number) {
  let left = times;
  return interposed(bucket, {
    put: async (putKey, body, condition) => {
      if (putKey === key && left > 0) {
        left -= 1;
        await publishOne(bucket, `rival-${left}.test`, 'f');
      }
      return bucket.put(putKey, body, condition);
    },
  });
}

for (const [says, isFirst] of [
  ['the first manifest of a fleet', true],
  ['a manifest that is there', false],
] as const) {
  test(`a writer that came first to ${says} is merged with, and nothing of it is lost`, async () => {
    const bucket = memoryBucket();
    if (!isFirst) await publishOne(bucket, 'old.test', 'e');
    const { entry, texts } = certificate('a');

    const result = await testPublisher(withRival(bucket, 3), fleet).publish(a, entry, texts);

    assert.equal(result, 'published');
    const names = Object.keys((await readPublished(bucket, fleet))?.manifest.certificates ?? {});
    assert.deepEqual(names, [
      'a.test',
      ...(isFirst ? [] : ['old.test']),
      'rival-0.test',
      'rival-1.test',
      'rival-2.test',
    ]);
  });
}

test('a storm of conflicts ends with ERR_BUCKET_CONFLICT, for each certificate that waited', async () => {
  const bucket = memoryBucket();
  const stormy = interposed(bucket, {
    put: async (putKey, body, condition) =>
      putKey === key ? 'precondition-failed' : bucket.put(putKey, body, condition),
  });
  const publisher = testPublisher(stormy, fleet);

  const ended = await Promise.allSettled(
    ['a', 'b'].map((name) =>
      publisher.publish(named(`${name}.test`), certificate(name).entry, certificate(name).texts),
    ),
  );

  assert.deepEqual(
    ended.map((end) => end.status === 'rejected' && end.reason.code),
    ['ERR_BUCKET_CONFLICT', 'ERR_BUCKET_CONFLICT'],
  );
  assert.ok(bucket.calls.filter((call) => call === `get ${key}`).length <= 200);
});

test('after a failure the publisher goes on with what comes next', async () => {
  const bucket = memoryBucket();
  let isDown = true;
  const recovering = interposed(bucket, {
    get: async (getKey: string) => {
      if (isDown) throw new RangeError('unavailable');
      return bucket.get(getKey);
    },
  });
  const publisher = testPublisher(recovering, fleet);
  const { entry, texts } = certificate('a');
  await assert.rejects(publisher.publish(a, entry, texts), RangeError);

  isDown = false;

  assert.equal(await publisher.publish(a, entry, texts), 'published');
});

for (const [says, shared] of [
  ['of one pass', true],
  ['of as many passes', false],
] as const) {
  test(`thirty certificates ${says} that are published at once are all published`, async () => {
    const bucket = memoryBucket();
    const one = testPublisher(bucket, fleet);
    const names = Array.from({ length: 30 }, (_, index) => `n${String(index).padStart(2, '0')}.test`);
    const { entry, texts } = certificate('a');

    const results = await Promise.all(
      names.map((name) => (shared ? one : testPublisher(bucket, fleet)).publish(named(name), entry, texts)),
    );

    assert.deepEqual(new Set(results), new Set(['published']));
    assert.deepEqual(Object.keys((await readPublished(bucket, fleet))?.manifest.certificates ?? {}), names);
    const writes = bucket.calls.filter((call) => call === `put ${key}`).length;
    assert.ok(shared ? writes <= 3 : writes >= 30, `${writes} writes`);
  });
}

test('a manifest of a newer version is not overwritten', async () => {
  const bucket = memoryBucket();
  const newer = serializeRoot(rootWith({}, { version: 3 as 2 }), testSigning.signer).text;
  await bucket.put(key, newer);

  await assert.rejects(publishOne(bucket, 'a.test', 'a'), { code: 'ERR_MANIFEST_VERSION' });

  assert.equal(bucket.text(key), newer);
});

const rootWrites = ({ calls }: ReturnType<typeof memoryBucket>) =>
  calls.filter((call) => call === `put ${key}`).length;
const tick = () => new Promise((resolve) => setImmediate(resolve));
const publishWaiting = (publisher: ReturnType<typeof testPublisher>, digit: string, ended: string[] = []) => {
  const { entry, texts } = certificate(digit);
  return publisher.publish(named(`${digit}.test`), entry, texts, { isUnhurried: true }).then((result) => {
    ended.push(digit);
    return result;
  });
};

test('what is in no hurry waits for others, its PEM in the bucket: one commit for all, when the pass has no more', async () => {
  const bucket = memoryBucket();
  const publisher = testPublisher(bucket, fleet);
  const ended: string[] = [];
  const waiting = ['a', 'b', 'c'].map((digit) => publishWaiting(publisher, digit, ended));
  await tick();
  assert.deepEqual(
    [rootWrites(bucket), ended.length, bucket.text(layout.pem(fleet, a, sha('a')))],
    [0, 0, 'PEM a'],
  );

  publisher.hurry();

  assert.deepEqual(await Promise.all(waiting), ['published', 'published', 'published']);
  assert.equal(rootWrites(bucket), 1);
  assert.equal(await publishWaiting(publisher, 'd'), 'published', 'after that, nothing waits');
  assert.equal(rootWrites(bucket), 2);
});

test('an emergency is committed at once, and takes along what waits', async () => {
  const bucket = memoryBucket();
  const publisher = testPublisher(bucket, fleet);
  const waiting = publishWaiting(publisher, 'a');
  await tick();
  const { entry, texts } = certificate('b');

  assert.equal(await publisher.publish(named('b.test'), entry, texts), 'published');

  assert.equal(await waiting, 'published');
  assert.equal(rootWrites(bucket), 1);
});

test('nothing waits longer than a minute, and what comes during a commit waits for the next one', async () => {
  const bucket = memoryBucket();
  const publisher = testPublisher(bucket, fleet, { patienceMs: 5 });

  assert.equal(await publishWaiting(publisher, 'a'), 'published');
  assert.deepEqual(await Promise.all([publishWaiting(publisher, 'b'), publishWaiting(publisher, 'c')]), [
    'published',
    'published',
  ]);

  assert.equal(rootWrites(bucket), 2);
});

test('a commit that fails fails all that waited for it, and none after it', async () => {
  const bucket = memoryBucket();
  let isDown = true;
  const failing = interposed(bucket, {
    put: (...args) => {
      if (isDown && args[0] === key) return Promise.reject(new RangeError('unavailable'));
      return bucket.put(...args);
    },
  });
  const publisher = testPublisher(failing, fleet);
  const waiting = ['a', 'b'].map((digit) => publishWaiting(publisher, digit));
  publisher.hurry();

  const ended = await Promise.allSettled(waiting);
  isDown = false;

  assert.deepEqual(
    ended.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.equal(await publishWaiting(publisher, 'c'), 'published');
});
