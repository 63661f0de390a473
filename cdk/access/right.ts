/** Policy statements that explain themselves: a resource with a `*` needs a reason, which also acknowledges cdk-nag's finding. */
import { Stack } from 'aws-cdk-lib';
import { type IRole, PolicyStatement, type PolicyStatementProps } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { IConstruct } from 'constructs';
import { acknowledgeFinding } from '../settings/acknowledge.ts';

/** A policy statement that allows `actions` on `resources`. */
export interface Right extends PolicyStatementProps {
  readonly sid: string;
  readonly actions: string[];
  readonly resources: string[];
  /** Why `resources` holds a `*`. */
  readonly reason?: string;
}

/** Adds `rights` to the role's policy. */
export function allow(role: IRole, rights: readonly Right[]): void {
  for (const { reason, ...statement } of rights) {
    role.addToPrincipalPolicy(new PolicyStatement(statement));
    for (const resource of statement.resources) acknowledgeResource(role, resource, reason);
  }
}

/**
 * Acknowledges cdk-nag's wildcard finding for `resource`, if it holds a `*`.
 * @throws TypeError if a `*` has no reason, which is a bug in the construct
 */
export function acknowledgeResource(scope: IConstruct, resource: string, reason: string | undefined): void {
  const text = asPrintedByNag(Stack.of(scope).resolve(resource));
  if (!text.includes('*')) return;
  if (reason === undefined) throw new TypeError(`${text} is allowed without a reason`);
  acknowledgeFinding(scope, `AwsSolutions-IAM5[Resource::${text}]`, reason);
}

/** Allows `actions` (without `s3:`) on all objects below `prefixes`. */
export function objects(sid: string, bucket: IBucket, actions: string[], prefixes: readonly string[]): Right {
  return {
    sid,
    actions: actions.map((action) => `s3:${action}`),
    resources: prefixes.map((prefix) => bucket.arnForObjects(`${prefix}*`)),
    conditions: ownAccount(bucket),
    reason: 'a trust zone of the bucket (docs/bucket.md): its object names are not known before run time',
  };
}

/** Allows to list the whole bucket: without this right S3 answers a GET of a missing object with 403 instead of 404. */
export function listRight(bucket: IBucket): Right {
  return {
    sid: 'List',
    actions: ['s3:ListBucket'],
    resources: [bucket.bucketArn],
    conditions: ownAccount(bucket),
  };
}

/** The ARN of a bucket has no account: without this condition the right would hold for a stranger's bucket of the same name, should ours go. */
export function ownAccount(bucket: IBucket) {
  return { StringEquals: { 'aws:ResourceAccount': Stack.of(bucket).account } };
}

/** Allows the use of the key for this bucket only, and only through S3. With a bucket key the encryption context is the bucket's ARN. */
export function keyUse(key: IKey, bucket: IBucket, actions: ('Decrypt' | 'GenerateDataKey')[]): Right {
  return {
    sid: 'Key',
    actions: actions.map((action) => `kms:${action}`),
    resources: [key.keyArn],
    conditions: keyConditions(bucket),
  };
}

export function keyConditions(bucket: IBucket) {
  const { region, urlSuffix, account } = Stack.of(bucket);
  return {
    StringEquals: {
      'aws:ResourceAccount': account,
      'kms:ViaService': `s3.${region}.${urlSuffix}`,
      'kms:EncryptionContext:aws:s3:arn': bucket.bucketArn,
    },
  };
}

interface Intrinsic {
  Ref?: string;
  'Fn::GetAtt'?: string[];
  'Fn::Join'?: [string, unknown[]];
}

/** An ARN of a template as cdk-nag prints it: `<LogicalId.Arn>/issuer/*`. */
function asPrintedByNag(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Join': join } = value as Intrinsic;
  if (attribute !== undefined) return `<${attribute.join('.')}>`;
  if (join !== undefined) return join[1].map(asPrintedByNag).join(join[0]);
  return `<${Ref}>`;
}

/** ARN of an SSM parameter, whose name begins with a slash. */
export function parameterArn({ partition, region, account }: Stack, name: string): string {
  return `arn:${partition}:ssm:${region}:${account}:parameter${name}`;
}
