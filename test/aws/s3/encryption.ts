// Server-side encryption: nothing is encrypted, but the headers, and the permissions for KMS keys, are as in AWS.
import { createHash, randomBytes } from 'node:crypto';
import { AwsFailure, type Check } from '../wire.ts';
import type { Bucket, Encryption, ObjectVersion } from './store.ts';

const prefix = 'x-amz-server-side-encryption';

/** What the upload asks for, else what the bucket does by default. */
export function readEncryption(headers: Record<string, string>, bucket: Bucket, region: string): Encryption {
  const algorithm = headers[prefix];
  const keyId = headers[`${prefix}-aws-kms-key-id`];
  if (algorithm === undefined && keyId === undefined) return bucket.encryption;
  if (algorithm !== 'aws:kms' && keyId !== undefined) {
    throw invalid('A KMS key id needs the encryption method aws:kms');
  }
  if (algorithm !== 'aws:kms' && algorithm !== 'AES256') {
    throw invalid('The encryption method specified is not supported');
  }
  const bucketKey = headers[`${prefix}-bucket-key-enabled`];
  return {
    algorithm,
    kmsKeyArn: keyId === undefined ? undefined : keyArn(keyId, bucket.accountId, region),
    bucketKey: bucketKey === undefined ? bucket.encryption.bucketKey : bucketKey === 'true',
  };
}

export function keyArn(keyId: string, accountId: string, region: string): string {
  if (/^arn:aws:kms:[a-z0-9-]+:\d{12}:key\//.test(keyId)) return keyId;
  if (/^[0-9a-f-]{36}$/.test(keyId)) return `arn:aws:kms:${region}:${accountId}:key/${keyId}`;
  throw new AwsFailure(400, 'KMS.NotFoundException', `Invalid keyId ${keyId}`);
}

export function encryptionHeaders(encryption: Encryption, bucket: Bucket, region: string) {
  const { algorithm, kmsKeyArn, bucketKey } = encryption;
  if (algorithm === 'AES256') return { [prefix]: algorithm };
  const managed = `arn:aws:kms:${region}:${bucket.accountId}:key/aws-managed-for-s3`;
  return {
    [prefix]: algorithm,
    [`${prefix}-aws-kms-key-id`]: kmsKeyArn ?? managed,
    ...(bucketKey ? { [`${prefix}-bucket-key-enabled`]: 'true' } : {}),
  };
}

/** The permission on the key that reading or writing the object needs besides that of S3. */
export function keyCheck(
  action: 'kms:GenerateDataKey' | 'kms:Decrypt',
  { bucket, key, encryption }: { bucket: Bucket; key: string; encryption: ObjectVersion['encryption'] },
  region: string,
): Check | undefined {
  const { kmsKeyArn, bucketKey, keyPolicy } = encryption;
  if (kmsKeyArn === undefined) return undefined;
  const bucketArn = `arn:aws:s3:::${bucket.name}`;
  const ownerId = kmsKeyArn.split(':')[4] ?? '';
  return {
    ...{ action, resource: kmsKeyArn, ownerId, resourcePolicy: keyPolicy ?? accountMayAll(ownerId) },
    context: {
      'kms:ViaService': `s3.${region}.amazonaws.com`,
      'kms:EncryptionContext:aws:s3:arn': bucketKey ? bucketArn : `${bucketArn}/${key}`,
    },
  };
}

/** The policy that a key has by default: IAM decides. */
const accountMayAll = (accountId: string) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${accountId}:root` },
      Action: 'kms:*',
      Resource: '*',
    },
  ],
});

/** In quotes; under KMS it is no MD5 of the content. */
export function etagOf(body: Buffer, { algorithm }: Encryption): string {
  const isKms = algorithm === 'aws:kms';
  return `"${isKms ? randomBytes(16).toString('hex') : createHash('md5').update(body).digest('hex')}"`;
}

const invalid = (message: string) => new AwsFailure(400, 'InvalidArgument', message);
