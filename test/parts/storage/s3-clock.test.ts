// The store's clock comes with each answer, also with "not modified" and "no such object".
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { MINUTE_MS, SECOND_MS } from '#common/time.ts';
import type { HostBucket } from '#storage/bucket.ts';
import { answerTimeOf } from '#storage/bucket.ts';
import { openBucket } from '#storage/open.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { startAws } from '../../aws/aws.ts';
import { setEnv } from '../../support/env.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

/** Grows with each request, below the 15 minutes that the time of a signature may be off. */
let aheadMs = 0;
const aws = await startAws({ now: () => new Date(Date.now() + aheadMs) });
after(aws.stop);
after(setEnv(aws.administrator.env));
aws.s3.createBucket('certs');
const KEY = 'published/edge/root.json';

const timeOf = ({ answeredAt }: HostBucket) => answeredAt?.getTime() ?? 0;

for (const [kind, open] of [
  ['with the SDK', () => openBucket('s3://certs')],
  ['without the SDK', () => openWithoutSdk('s3://certs', process.env)],
] as const) {
  test(`S3 ${kind}: the time of the last answer, by the store's clock`, async () => {
    const bucket: HostBucket = await open();
    assert.equal(bucket.answeredAt, undefined, 'it has not answered yet');
    aheadMs = 0;
    const written = await bucket.put(KEY, kind);
    assert.ok(written !== 'precondition-failed');

    for (const [says, ask] of [
      ['an object', () => bucket.get(KEY)],
      ['not modified', () => bucket.get(KEY, { ifNoneMatch: written.etag })],
      ['no such object', () => bucket.get('published/edge/keys.json')],
    ] as const) {
      aheadMs += 2 * MINUTE_MS;
      const before = Date.now() + aheadMs;
      await ask();

      const offMs = timeOf(bucket) - before;
      // A Date header has whole seconds.
      assert.ok(offMs > -SECOND_MS && offMs < 30 * SECOND_MS, `${says}: ${offMs} ms`);
    }
  });
}

test("a directory has this machine's clock", async () => {
  const place = makeTempDir();
  const bucket = await openBucket(`file://${place.path}`);
  await bucket.put(KEY, 'x');
  await bucket.get(KEY);

  assert.equal(bucket.answeredAt, undefined);
  place.remove();
});

test('a header that is no date is none', () => {
  assert.deepEqual(answerTimeOf('Fri, 27 Nov 2026 09:00:00 GMT'), new Date('2026-11-27T09:00:00Z'));
  for (const header of [undefined, '', 'yesterday', '0x']) assert.equal(answerTimeOf(header), undefined);
});
