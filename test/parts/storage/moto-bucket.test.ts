// A second opinion on the bucket: the same suite over moto's S3.
import { after } from 'node:test';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { openBucket } from '#storage/open.ts';
import { bucketSuite } from '../../support/bucket/bucket-suite.ts';
import { setEnv } from '../../support/env.ts';
import { startMoto } from '../../support/parts/moto.ts';

let count = 0;
const moto = await startMoto();
after(moto.stop);
after(setEnv(moto.env));
const s3 = new S3Client({ endpoint: moto.endpoint, region: moto.region, credentials: moto.credentials });
after(() => s3.destroy());

/** Every second bucket is used below a prefix: it must make no difference. */
async function makeBucket() {
  count += 1;
  const Bucket = `bucket-${count}`;
  const CreateBucketConfiguration = { LocationConstraint: 'eu-central-1' } as const;
  await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }));
  return openBucket(`s3://${Bucket}${count % 2 === 0 ? '/some/prefix' : ''}`);
}

// moto answers each request in its own thread and checks conditions before the write, not with it: 29 of thirty writers came through.
bucketSuite('S3 bucket on moto', makeBucket, false);
