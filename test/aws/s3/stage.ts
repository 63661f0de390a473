// A bucket of its own, and short words for what tests do in it.
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';

interface S3Stage {
  Bucket: string;
  s3: S3Client;
  put(Key: string, Body: string, more?: object): Promise<{ ETag: string; VersionId: string | undefined }>;
  get(Key: string, more?: object): Promise<string>;
}

export async function openStage(s3: S3Client): Promise<S3Stage> {
  const Bucket = `certs-${randomUUID()}`;
  await s3.send(new CreateBucketCommand({ Bucket }));
  return {
    Bucket,
    s3,
    put: async (Key, Body, more = {}) => {
      const { ETag = '', VersionId } = await s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
      return { ETag, VersionId };
    },
    get: async (Key, more = {}) => {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
      return Body?.transformToString() ?? '';
    },
  };
}

/** A client of the S3 in question. */
export type Open = (t: TestContext) => S3Client | Promise<S3Client>;
