/** The bucket of the contract (docs/bucket.md): its key, its protection, and how long it keeps what. */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, PolicyStatement, type PolicyStatementProps } from 'aws-cdk-lib/aws-iam';
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
import { type FleetName, layout } from '#contract/layout.ts';
import { acknowledgeFinding } from '../settings/acknowledge.ts';
import type { PemfleetProps } from '../settings/props.ts';
import { fleetsOf, prefixes } from './prefixes.ts';

/** The bucket and the key that encrypts it. */
export interface CertificateBucket {
  readonly bucket: IBucket;
  readonly key: IKey;
}

export function createBucket(scope: Construct, props: PemfleetProps): CertificateBucket {
  const { removalPolicy = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE, accessLogsBucket } = props;
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
    lifecycleRules: lifecycle(fleetsOf(props.config.config)),
    removalPolicy,
    ...(accessLogsBucket && {
      serverAccessLogsBucket: accessLogsBucket,
      serverAccessLogsPrefix: 'pemfleet/',
    }),
  });
  if (accessLogsBucket === undefined) {
    acknowledgeFinding(
      bucket,
      'AwsSolutions-S1',
      'access logs are optional (accessLogsBucket); CloudTrail data events record the same requests',
    );
  }
  for (const statement of refusals(bucket)) bucket.addToResourcePolicy(statement);
  // The class declares `isWebsite?: boolean | undefined`, the interface only `isWebsite?: boolean` (exactOptionalPropertyTypes).
  return { bucket: bucket as IBucket, key };
}

/**
 * What a host that may write its status must not do with it: put it into an archive, where the issuer cannot read it, or make it a copy of what
 * the host can read. And nobody encrypts by a key that AWS does not know. A header that a request does not have is no value of its condition key.
 */
function refusals(bucket: Bucket): PolicyStatement[] {
  const isGiven = (header: string) => ({ Null: { [`s3:${header}`]: 'false' } });
  const refuse = (sid: string, keys: string, conditions: PolicyStatementProps['conditions']) =>
    new PolicyStatement({
      ...{ sid, effect: Effect.DENY, principals: [new AnyPrincipal()], actions: ['s3:PutObject'] },
      ...{ resources: [bucket.arnForObjects(keys)], ...(conditions && { conditions }) },
    });
  const storageClass = 'x-amz-storage-class';
  return [
    refuse('StandardStatus', `${prefixes.anyStatus}*`, {
      ...isGiven(storageClass),
      StringNotEquals: { [`s3:${storageClass}`]: 'STANDARD' },
    }),
    refuse('NoCopiedStatus', `${prefixes.anyStatus}*`, isGiven('x-amz-copy-source')),
    refuse('NoForeignKey', '*', isGiven('x-amz-server-side-encryption-customer-algorithm')),
  ];
}

/** A bucket has a thousand rules at most; the keys of further fleets go by the rule for all. */
const MAX_FLEET_RULES = 900;

function createKey(scope: Construct, removalPolicy: RemovalPolicy): Key {
  const description = 'pemfleet: certificates with their keys, ACME accounts';
  return new Key(scope, 'Key', { description, enableKeyRotation: true, removalPolicy });
}

/**
 * No rule ends a PEM by its age: it may be named by a manifest. The issuer deletes what nobody names. The pass that writes an answer to a challenge deletes it, unless it is killed first. A host reports once
 * an hour, so a status that is a week old belongs to a host that no longer exists. Replaced versions hold keys, so they expire soon.
 */
function lifecycle(fleets: readonly FleetName[]): LifecycleRule[] {
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
    // What the issuer has deleted after keyRetention, and the records of orders, which hold a key until it is published.
    ...fleets.slice(0, MAX_FLEET_RULES).map((fleet) => rule(`keys-${fleet}`, layout.fleetPems(fleet), 1)),
    rule('orders', prefixes.orders, 1),
    rule('challenge', prefixes.challenges, 1, Duration.days(1)),
    rule('probe', prefixes.probes, 1),
    rule('status', prefixes.anyStatus, 1, Duration.days(7)),
  ];
}
