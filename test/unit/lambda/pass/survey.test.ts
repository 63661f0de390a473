/** What a pass stands on is what it has read, not what is written while it runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { surveyBucket } from '../../../../lambda/pass/survey.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../support/issuer/documents.ts';
import { passOver, publishEntry } from '../../../support/issuer/pass.ts';

test('a later write changes no survey: a copy to another fleet is compared with what was decided on', async () => {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'a.test', makeEntry({ pems: [makePemRef({ sha256: 'a'.repeat(64) })] }));
  const survey = await surveyBucket(passOver(bucket).passFor([{ identifiers: ['a.test'] }]));
  const renewed = makeEntry({ pems: [makePemRef({ sha256: 'b'.repeat(64) })] });
  await publishEntry(bucket, 'a.test', renewed);

  await survey.publishers.get(fleet)?.publish(named('b.test'), renewed, []);

  const { a, b } = certificatesOf(survey.manifests.get(fleet)?.manifest.certificates);
  assert.deepEqual([a, b], ['a'.repeat(64), undefined]);
});

const certificatesOf = (certificates: object = {}) => {
  const digestOf = (name: string) =>
    (certificates as Record<string, { pems: { sha256: string }[] }>)[name]?.pems[0]?.sha256;
  return { a: digestOf('a.test'), b: digestOf('b.test') };
};
