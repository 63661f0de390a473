/** A statement of a policy; one whose resources end with a `*` says why. The reason is also what cdk-nag gets to hear. */
import { Stack, Validations } from 'aws-cdk-lib';
import { type IRole, PolicyStatement, type PolicyStatementProps } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { IConstruct } from 'constructs';

export interface Right extends PolicyStatementProps {
  readonly sid: string;
  readonly actions: string[];
  readonly resources: string[];
  /** Why `resources` ends with a `*`. */
  readonly reason?: string;
}

export function allow(role: IRole, rights: readonly Right[]): void {
  for (const { reason, ...statement } of rights) {
    role.addToPrincipalPolicy(new PolicyStatement(statement));
    for (const resource of statement.resources) giveReason(role, resource, reason);
  }
}

/** @throws TypeError where a `*` has no reason: that is a bug of ours */
export function giveReason(scope: IConstruct, resource: string, reason: string | undefined): void {
  const text = plain(Stack.of(scope).resolve(resource));
  if (!text.includes('*')) return;
  if (reason === undefined) throw new TypeError(`${text} is allowed without a reason`);
  Validations.of(scope).acknowledge({ id: `AwsSolutions-IAM5[Resource::${text}]`, reason });
}

/** Objects below some prefixes of the bucket. */
export function objects(sid: string, bucket: IBucket, actions: string[], prefixes: readonly string[]): Right {
  return {
    sid,
    actions: actions.map((action) => `s3:${action}`),
    resources: prefixes.map((prefix) => bucket.arnForObjects(`${prefix}*`)),
    reason: 'a zone of the bucket (docs/bucket.md): which objects come to be in it, nobody knows before',
  };
}

/** The key, for this bucket only and only by way of S3. With a bucket key the context is the bucket's ARN. */
export function keyUse(key: IKey, bucket: IBucket, actions: ('Decrypt' | 'GenerateDataKey')[]): Right {
  return {
    sid: 'Key',
    actions: actions.map((action) => `kms:${action}`),
    resources: [key.keyArn],
    conditions: keyConditions(bucket),
  };
}

export function keyConditions(bucket: IBucket) {
  const { region, urlSuffix } = Stack.of(bucket);
  return {
    StringEquals: {
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

/** `<LogicalId.Arn>/issuer/*`: an ARN of a template as cdk-nag writes it. */
function plain(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Join': join } = value as Intrinsic;
  if (attribute !== undefined) return `<${attribute.join('.')}>`;
  if (join !== undefined) return join[1].map(plain).join(join[0]);
  return `<${Ref}>`;
}
