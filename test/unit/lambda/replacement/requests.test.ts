/** `issuer/replace.json`: bounded, strict about what it covers, and changed only as it is at the moment of writing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import {
  cancelRequests,
  changeRequests,
  MAX_REQUESTS,
  type ReplacementRequest,
  readRequests,
} from '../../../../lambda/replacement/requests.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';

const request = (changes: Partial<ReplacementRequest> = {}): ReplacementRequest => ({
  at: noon.toISOString(),
  scope: { all: true },
  certificates: 3,
  ...changes,
});
const planted = (document: unknown) => {
  const bucket = memoryBucket();
  bucket.plant(layout.replacements, JSON.stringify(document));
  return bucket;
};

test('a bucket without the document has no requests', async () => {
  assert.deepEqual(await readRequests(memoryBucket()), []);
});

test('what one writes, the next one reads', async () => {
  const bucket = memoryBucket();
  const serials = request({ scope: { serials: ['0A', 'FFEE'] }, reason: 'wrong CAA' });

  await changeRequests(bucket, () => [serials]);
  await changeRequests(bucket, (requests) => [...requests, request()]);

  assert.deepEqual(await readRequests(bucket), [serials, request()]);
});

test('two commands at the same time: both requests stay', async () => {
  const bucket = memoryBucket();

  await Promise.all(
    ['first', 'second'].map((reason) =>
      changeRequests(bucket, (requests) => [...requests, request({ reason })]),
    ),
  );

  const reasons = (await readRequests(bucket)).map(({ reason }) => reason).sort();
  assert.deepEqual(reasons, ['first', 'second']);
});

const REFUSED: readonly (readonly [says: string, document: unknown])[] = [
  ['no JSON document of ours', []],
  ['a newer version', { version: 2, requests: [] }],
  ['a scope that says nothing: it would be everything', { version: 1, requests: [request({ scope: {} })] }],
  [
    'everything, and a condition',
    { version: 1, requests: [request({ scope: { all: true, serials: ['0A'] } })] },
  ],
  [
    'a condition that this version does not know: without it too much would be ordered',
    { version: 1, requests: [{ ...request(), scope: { issuedBefore: noon.toISOString(), fleet: 'edge' } }] },
  ],
  [
    'more requests than one bad day has',
    { version: 1, requests: Array.from({ length: MAX_REQUESTS + 1 }, () => request()) },
  ],
  ['a serial that is none', { version: 1, requests: [request({ scope: { serials: ['xyz'] } })] }],
  ['a reason as long as a book', { version: 1, requests: [request({ reason: 'x'.repeat(501) })] }],
];

for (const [says, document] of REFUSED) {
  test(`refused: ${says}`, async () => {
    await assert.rejects(readRequests(planted(document)), { code: 'ERR_REPLACE_REQUEST' });
  });
}

test('a member beside the scope that this version does not know is read over', async () => {
  const bucket = planted({ version: 1, requests: [{ ...request(), by: 'somebody' }] });

  assert.equal((await readRequests(bucket)).length, 1);
});

test('cancelled, also where nobody can read the document', async () => {
  for (const bucket of [planted({ version: 1, requests: [request()] }), planted('broken')]) {
    await cancelRequests(bucket);

    assert.deepEqual(await readRequests(bucket), []);
  }
});
