/** The bucket of the contract (docs/bucket.md): its key, its protection, and what may be forgotten when. */
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
import type { Config } from '../../lambda/config/config.ts';
import type { PemfleetProps } from '../settings/props.ts';
import { fleetsOf, prefixes } from './prefixes.ts';

export interface CertificateBucket {
  readonly bucket: IBucket;
  readonly key: IKey;
}

export function createBucket(scope: Construct, props: PemfleetProps): CertificateBucket {
  const { removalPolicy = RemovalPolicy.RETAIN, accessLogsBucket } = props;
  const { config, bucketName } = props.config;
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
    lifecycleRules: lifecycle(config, props.pemRetention ?? retentionFor(config)),
    removalPolicy,
    ...(accessLogsBucket && {
      serverAccessLogsBucket: accessLogsBucket,
      serverAccessLogsPrefix: 'pemfleet/',
    }),
  });
  if (accessLogsBucket === undefined)
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason: 'access logs are a choice (accessLogsBucket); data events of CloudTrail also tell who asked',
    });
  // CDK's class has `isWebsite?: boolean | undefined`, its own interface without the latter.
  return { bucket: bucket as IBucket, key };
}

function createKey(scope: Construct, removalPolicy: RemovalPolicy): Key {
  const description = 'pemfleet: certificates with their keys, ACME accounts';
  return new Key(scope, 'Key', { description, enableKeyRotation: true, removalPolicy });
}

/** Public CAs give 398 days at most; what a private one gives, nobody knows. */
function retentionFor({ acme, fallback }: Config): Duration | undefined {
  const isPrivate = [acme, ...fallback].some(({ caFile }) => caFile !== undefined);
  return isPrivate ? undefined : Duration.days(400);
}

/**
 * PEMs are never deleted by a program, answers to challenges by the pass that wrote them, if it lives. A host reports once an
 * hour: one that has not for a week is gone. Replaced contents hold keys, so they go soon.
 */
function lifecycle(config: Config, pemRetention: Duration | undefined): LifecycleRule[] {
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
    ...fleetsOf(config).map((fleet) => rule(`pem-${fleet}`, prefixes.pems(fleet), 30, pemRetention)),
  ];
}
