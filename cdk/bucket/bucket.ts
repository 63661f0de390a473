/** The bucket of the contract (docs/bucket.md): its key, its protection, and how long it keeps what. */
import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type IBucket,
  type LifecycleRule,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { PemfleetProps } from '../settings/props.ts';
import { prefixes } from './prefixes.ts';

/** The bucket and the key that encrypts it. */
export interface CertificateBucket {
  readonly bucket: IBucket;
  readonly key: IKey;
}

export function createBucket(scope: Construct, props: PemfleetProps): CertificateBucket {
  const { removalPolicy = RemovalPolicy.RETAIN, accessLogsBucket } = props;
  const { bucketName } = props.config;
  const key = props.encryptionKey ?? createKey(scope, removalPolicy);
  const bucket = new Bucket(scope, 'Bucket', {
    ...(bucketName !== undefined && { bucketName }),
    encryption: BucketEncryption.KMS,
    encryptionKey: key,
    bucketKeyEnabled: true,
    versioned: true,
    enforceSSL: true,
    minimumTLSVersion: 1.2,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    lifecycleRules: lifecycle(),
    removalPolicy,
    ...(accessLogsBucket && {
      serverAccessLogsBucket: accessLogsBucket,
      serverAccessLogsPrefix: 'pemfleet/',
    }),
  });
  if (accessLogsBucket === undefined) {
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason: 'access logs are optional (accessLogsBucket); CloudTrail data events record the same requests',
    });
  }
  // The class declares `isWebsite?: boolean | undefined`, the interface only `isWebsite?: boolean` (exactOptionalPropertyTypes).
  return { bucket: bucket as IBucket, key };
}

function createKey(scope: Construct, removalPolicy: RemovalPolicy): Key {
  const description = 'pemfleet: certificates with their keys, ACME accounts';
  return new Key(scope, 'Key', { description, enableKeyRotation: true, removalPolicy });
}

/**
 * No rule ends a PEM by its age: it may be named by a manifest. The issuer deletes what nobody names. The pass that writes an answer to a challenge deletes it, unless it is killed first. A host reports once
 * an hour, so a status that is a week old belongs to a host that no longer exists. Replaced versions hold keys, so they expire soon.
 */
function lifecycle(): LifecycleRule[] {
  const rule = (id: string, prefix: string, replacedDays: number, expiration?: Duration): LifecycleRule => ({
    id,
    prefix,
    noncurrentVersionExpiration: Duration.days(replacedDays),
    ...(expiration && { expiration }),
  });
  return [
    {
      id: 'replaced',
      noncurrentVersionExpiration: Duration.days(30),
      expiredObjectDeleteMarker: true,
      abortIncompleteMultipartUploadAfter: Duration.days(1),
    },
    rule('challenge', prefixes.challenges, 1, Duration.days(1)),
    rule('probe', prefixes.probes, 1),
    rule('status', prefixes.anyStatus, 1, Duration.days(7)),
  ];
}
