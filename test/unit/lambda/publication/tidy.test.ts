/** The end of a pass: garbage is swept once a day, and never on the word of a manifest that is not ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { emptyManifest, serializeManifest } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { AuditFact } from '../../../../lambda/audit/line.ts';
import type { AuditTrail } from '../../../../lambda/audit/trail.ts';
import type { Config } from '../../../../lambda/config/config.ts';
import { IssuerMemory } from '../../../../lambda/publication/ended.ts';
import { readHistory } from '../../../../lambda/publication/history/history.ts';
import { type ReadManifest, readManifest } from '../../../../lambda/publication/read-manifest.ts';
import { tidyFleets } from '../../../../lambda/publication/tidy.ts';
import { revokingKeys } from '../../../../lambda/replacement/in-pass.ts';
import { addToRevocation } from '../../../../lambda/replacement/revocations.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../support/issuer/documents.ts';
import { recordEvents } from '../../../support/issuer/events.ts';
import { testPublisher, testSigning } from '../../../support/issuer/signing.ts';

const name = named('a.test');
const digestOf = (version: number) => `${version}`.padStart(64, '0');
const keyOf = (version: number) => layout.pem(fleet, name, digestOf(version));

const audited: AuditFact[] = [];
let keyRetention = '30d';

/** A pass on that day: renews the certificate, if it is to. */
async function passOn(bucket: Bucket, day: number, version?: number) {
  const [now, memory, events] = [after(noon, day * DAY_MS), new IssuerMemory(bucket), recordEvents()];
  const before: ReadManifest | undefined = await readManifest(bucket, fleet, testSigning, memory).catch(
    () => undefined,
  );
  const publisher = testPublisher(bucket, fleet, {
    now: () => now,
    memory,
    writeAlong: async () => undefined,
  });
  if (version !== undefined) {
    const notAfter = after(noon, 400 * DAY_MS).toISOString();
    const entry = makeEntry({ pems: [makePemRef({ sha256: digestOf(version), notAfter })] });
    await publisher.publish(name, entry, [{ sha256: digestOf(version), text: 'x' }]);
  }
  const timing = { ...fakeClock(), now: () => now };
  const facts: AuditFact[] = [];
  const audit = { record: async (some: readonly AuditFact[]) => void facts.push(...some) } as AuditTrail;
  const config = { keyRetention } as Config;
  const pass = { bucket, log: events.log, signing: testSigning, timing, audit, config };
  const fleets = { memory, manifests: new Map([[fleet, before]]), publishers: new Map([[fleet, publisher]]) };
  await tidyFleets(pass, fleets, (of) => revokingKeys(bucket, of));
  audited.push(...facts);
  return events.names();
}

test('the key of a superseded certificate is deleted after keyRetention, by a pass that commits; history and trail say so', async () => {
  const bucket = memoryBucket();
  await passOn(bucket, 0, 1);
  await passOn(bucket, 1, 2);
  await passOn(bucket, 2, 3);

  assert.deepEqual(await passOn(bucket, 40), [], 'no commit');
  assert.ok(bucket.text(keyOf(1)) !== undefined);
  const events = await passOn(bucket, 41, 4);

  assert.equal(events.length, 1);
  assert.match(events[0] ?? '', /^garbage\.deleted/);
  const there = [1, 2, 3, 4].map((version) => bucket.text(keyOf(version)) !== undefined);
  assert.deepEqual(there, [false, false, true, true], 'what was in force until now stays');
  const [fact] = audited.splice(0);
  assert.deepEqual(
    [fact?.action, fact?.certificate, fact?.reason],
    ['key-deleted', name, 'keyRetention: 30d'],
  );
  const versions = await readHistory(bucket, fleet, name);
  const noted = versions.map((version) => [version.pems[0]?.sha256, version.keyDeletedAt?.slice(0, 10)]);
  const day = after(noon, 41 * DAY_MS)
    .toISOString()
    .slice(0, 10);
  assert.deepEqual(noted, [
    [digestOf(4), undefined],
    [digestOf(3), undefined],
    [digestOf(2), day],
    [digestOf(1), day],
  ]);
  assert.deepEqual(fact?.before?.length, 2);
});

test('what waits to be revoked stays with its key until that is done; of a request that cannot be read, all', async () => {
  const bucket = memoryBucket();
  for (const version of [1, 2, 3]) await passOn(bucket, version, version);
  const [sha256, at] = [digestOf(1), noon.toISOString()];
  const directoryUrl = 'https://ca.test/directory';
  await addToRevocation(bucket, name, [
    { sha256, serial: '0A', directoryUrl, at, reason: 'keyCompromise', by: 'a test' },
  ]);
  const there = () => [1, 2].map((version) => bucket.text(keyOf(version)) !== undefined);

  await passOn(bucket, 50, 4);
  assert.deepEqual(there(), [true, false]);
  await bucket.put(layout.revocation(name), '[[[');
  await passOn(bucket, 120, 5);
  assert.deepEqual(there(), [true, false]);
  await bucket.delete(layout.revocation(name));
  await passOn(bucket, 121, 6);
  await passOn(bucket, 160, 7);
  assert.deepEqual(there(), [false, false]);
});

test('one sweep a day', async () => {
  const bucket = memoryBucket();
  await passOn(bucket, 0, 1);
  await passOn(bucket, 1, 2);
  bucket.calls.length = 0;

  await passOn(bucket, 1.1, 3);

  assert.ok(!bucket.calls.some((call) => call.startsWith('list')));
});

test('what a manifest of version 1 names stays; one that cannot be read names everything', async () => {
  const bucket = memoryBucket();
  for (const version of [1, 2, 3, 4]) await passOn(bucket, version, version);
  await bucket.put(layout.manifest(fleet), '{"version":1}');
  assert.deepEqual(await passOn(bucket, 50, 5), []);
  const old = makeEntry({ pems: [makePemRef({ sha256: digestOf(1) })] });
  const image = { ...emptyManifest(fleet, noon), certificates: { [name]: old } };
  await bucket.put(layout.manifest(fleet), serializeManifest(image));
  assert.equal((await passOn(bucket, 51, 6)).length, 1);

  const there = [1, 2, 3, 5].map((version) => bucket.text(keyOf(version)) !== undefined);
  assert.deepEqual(there, [true, false, false, true], 'the fifth was in force until now');
});

test('a store that refuses costs no pass: it is logged', async () => {
  const bucket = memoryBucket();
  await passOn(bucket, 0, 1);
  const refusing = interposed(bucket, {
    listAfter: () => Promise.reject(new BucketError('ERR_BUCKET_DENIED', 'published/', 'is not accessible')),
  });

  assert.match((await passOn(refusing, 1, 2))[0] ?? '', /^tidy\.failed/);
});

test('a longer keyRetention keeps it for longer', async () => {
  const bucket = memoryBucket();
  keyRetention = '60d';
  await passOn(bucket, 0, 1);
  await passOn(bucket, 1, 2);

  assert.deepEqual(await passOn(bucket, 61, 3), []);
  assert.match((await passOn(bucket, 62, 4))[0] ?? '', /^garbage\.deleted/);
  keyRetention = '30d';
});
