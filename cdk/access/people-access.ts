/**
 * Rights of people: an operator and an auditor send commands to the function (`pemfleet --function`), which acts with its own role. An auditor
 * may also read the bucket itself, but for the keys in it; a reader of the page, the page.
 */
import { Effect, Grant, type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Alias } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { layout } from '#contract/layout.ts';
import type { CertificateBucket } from '../bucket/bucket.ts';
import { readable, secret } from '../bucket/prefixes.ts';
import { acknowledgeResource, keyConditions, ownAccount } from './right.ts';

/** How far the rights of an auditor go. */
export interface AuditorRights {
  /**
   * Whether the auditor may read the bucket itself (`pemfleet --bucket`), but for private keys: what the function does not see cannot be
   * left out of its answers.
   *
   * @default false
   */
  readonly bucket?: boolean;
}

/** Allows to invoke these aliases, and not the function itself: that would start a pass. @internal */
export function grantCommands(grantee: IGrantable, aliases: readonly Alias[]): Grant {
  return Grant.addToPrincipal({
    grantee,
    actions: ['lambda:InvokeFunction'],
    resourceArns: aliases.map(({ functionArn }) => functionArn),
  });
}

/** Everything but keys, which are denied whatever else the grantee may do. @internal */
export function grantReading({ bucket, key }: CertificateBucket, grantee: IGrantable): Grant {
  const conditions = ownAccount(bucket);
  const objects = readable.map((name) => bucket.arnForObjects(name));
  const keys = secret.map((name) => bucket.arnForObjects(name));
  acknowledge(grantee, [...objects, ...keys]);
  const deny = { effect: Effect.DENY, actions: ['s3:GetObject*'], resources: keys };
  grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ sid: 'Keys', ...deny }));
  const list = { actions: ['s3:ListBucket'], resourceArns: [bucket.bucketArn], conditions };
  return Grant.addToPrincipal({ grantee, actions: ['s3:GetObject'], resourceArns: objects, conditions })
    .combine(Grant.addToPrincipal({ grantee, ...list }))
    .combine(
      Grant.addToPrincipal({
        ...{ grantee, actions: ['kms:Decrypt'], resourceArns: [key.keyArn] },
        conditions: keyConditions(bucket),
      }),
    );
}

/** The page, and nothing else of the bucket. @internal */
export function grantPage({ bucket, key }: CertificateBucket, grantee: IGrantable): Grant {
  const resourceArns = [bucket.arnForObjects(layout.statusPage)];
  const conditions = ownAccount(bucket);
  return Grant.addToPrincipal({ grantee, actions: ['s3:GetObject'], resourceArns, conditions }).combine(
    Grant.addToPrincipal({
      ...{ grantee, actions: ['kms:Decrypt'], resourceArns: [key.keyArn] },
      conditions: keyConditions(bucket),
    }),
  );
}

function acknowledge({ grantPrincipal }: IGrantable, resources: readonly string[]): void {
  const reason =
    'documents without keys, and keys that are denied: their names are not known before run time';
  if (!Construct.isConstruct(grantPrincipal)) return;
  for (const resource of resources) acknowledgeResource(grantPrincipal, resource, reason);
}
