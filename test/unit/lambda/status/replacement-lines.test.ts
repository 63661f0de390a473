/** What the status says of replacements, and what it spends on it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS } from '#common/time.ts';
import { changeRequests } from '../../../../lambda/replacement/requests.ts';
import { endAtPace, replacementLines } from '../../../../lambda/status/replacement-lines.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, makeConfig } from '../../../support/issuer/documents.ts';
import { publishEntry } from '../../../support/issuer/pass.ts';
import { testSigning } from '../../../support/issuer/signing.ts';

const ca = (directoryUrl: string) => ({ directoryUrl, termsOfServiceAgreed: true });

test('the estimate is played at the preferred CA, and at no other', async () => {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'a.test');
  const at = after(noon, HOUR_MS);
  const request = { at: at.toISOString(), scope: { all: true } as const, certificates: 1 };
  await changeRequests(bucket, () => [request]);
  const fallback = ['https://b.test/dir', 'https://c.test/dir', 'https://d.test/dir'].map(ca);
  const config = makeConfig([{ identifiers: ['a.test'] }], { acme: ca(DIRECTORY_URL), fallback });
  Object.assign(config.fallback, {
    [Symbol.iterator]: () => assert.fail('the drill of another CA costs seconds, and nobody reads it'),
  });

  const lines = await replacementLines({ bucket, config }, testSigning, at);

  assert.deepEqual(
    lines.map(({ text }) => text),
    [
      'replacing all certificates: 0 done, 1 left, 0 of them failing; the last one in 30 min (2026-11-22 13:30)',
    ],
  );
});

test('of many, what is left takes as long as what is done has; where nothing is done, nobody knows', () => {
  const at = noon.toISOString();
  const inTwoHours = after(noon, 2 * HOUR_MS);

  assert.deepEqual(endAtPace({ at, done: 2000, left: 8000 }, inTwoHours), after(noon, 10 * HOUR_MS));
  assert.equal(endAtPace({ at, done: 0, left: 8000 }, inTwoHours), undefined);
  assert.equal(endAtPace({ at, done: 5, left: 8000 }, after(noon, -HOUR_MS)), undefined);
});
