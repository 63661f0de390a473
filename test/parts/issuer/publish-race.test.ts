// Publishers that race for one manifest in S3: nobody's certificate is lost, and nobody tries for ever.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { codeOf, messageOf } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { emptyManifest, serializeManifest } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { openBucket } from '#storage/open.ts';
import { startAws } from '../../aws/aws.ts';
import { AwsFailure } from '../../aws/wire.ts';
import { interposed } from '../../support/bucket/interposed.ts';
import { noon } from '../../support/clock.ts';
import { setEnv } from '../../support/env.ts';
import { fleet, makeEntry, makePemRef, named } from '../../support/issuer/documents.ts';
import { readPublished, testPublisher } from '../../support/issuer/signing.ts';

const KEY = layout.root(fleet);
const MOST_TRIES = 50;

const aws = await startAws();
after(aws.stop);
after(setEnv(aws.administrator.env));

const bucketNamed = (name: string) => {
  aws.s3.createBucket(name);
  return `s3://${name}`;
};
const shaOf = (index: number) => index.toString(16).padStart(64, '0');
const publishOne = (bucket: Bucket, index: number) =>
  testPublisher(bucket, fleet).publish(
    named(`c${index}.test`),
    makeEntry({ identifiers: [`c${index}.test`], pems: [makePemRef({ sha256: shaOf(index) })] }),
    [{ sha256: shaOf(index), text: `PEM ${index}` }],
  );
const writesOf = (key: string) =>
  aws.calls.filter(({ operation, subject }) => operation === 'PutObject' && subject === key);

test('thirty publishers race for one manifest: all thirty are present, each with its PEM', async () => {
  const url = bucketNamed('race');
  const indexes = Array.from({ length: 30 }, (_, index) => index);

  const told = await Promise.all(indexes.map(async (index) => publishOne(await openBucket(url), index)));

  assert.deepEqual(new Set(told), new Set(['published']));
  const read = await readPublished(await openBucket(url), fleet);
  assert.deepEqual(
    Object.keys(read?.manifest.certificates ?? {}).sort(),
    indexes.map((index) => `c${index}.test`).sort(),
  );
  for (const index of indexes) {
    assert.equal(
      aws.s3.text('race', layout.pem(fleet, named(`c${index}.test`), shaOf(index))),
      `PEM ${index}`,
    );
  }
});

const refusal = new AwsFailure(
  412,
  'PreconditionFailed',
  'At least one of the pre-conditions you specified did not hold',
);

interface Storm {
  says: string;
  begin: (bucket: Bucket) => { bucket: Bucket; end: () => void };
}

const storms: Storm[] = [
  {
    says: 'every write is refused',
    begin: (bucket) => ({
      bucket,
      end: aws.fault({ operation: 'PutObject', subject: KEY }, { refuse: refusal }),
    }),
  },
  {
    says: 'a rival writes before every write',
    begin: (bucket) => {
      let round = 0;
      const put: Bucket['put'] = async (key, body, condition) => {
        round += 1;
        const rival = { ...emptyManifest(fleet, noon), round };
        if (key === KEY) aws.s3.write('storm-1', KEY, serializeManifest(rival));
        return bucket.put(key, body, condition);
      };
      return { bucket: interposed(bucket, { put }), end: () => undefined };
    },
  },
];

for (const [index, { says, begin }] of storms.entries()) {
  test(`a storm of 412 (${says}) ends within ${MOST_TRIES} tries with a code, and the next pass heals`, async () => {
    const url = bucketNamed(`storm-${index}`);
    const { bucket, end } = begin(await openBucket(url));
    aws.calls.length = 0;

    const failure = await publishOne(bucket, 1).catch((error: unknown) => error);

    const tries = writesOf(KEY).length;
    end();
    assert.equal(codeOf(failure), 'ERR_BUCKET_CONFLICT', messageOf(failure));
    assert.match(messageOf(failure), /other writers were faster 50 times; the next pass tries again/);
    assert.equal(tries, MOST_TRIES);
    assert.equal(await publishOne(await openBucket(url), 1), 'published');
  });
}

test('while another write is under way (409) is the same race, and is won later', async () => {
  const url = bucketNamed('conflict');
  const conflict = new AwsFailure(409, 'ConditionalRequestConflict', 'a conflicting operation');
  aws.fault({ operation: 'PutObject', subject: KEY, times: 4 }, { refuse: conflict });

  assert.equal(await publishOne(await openBucket(url), 1), 'published');
});
