/** What a host of one fleet may do: read what is published for it, say what it serves. No list, no other fleet, nothing of the issuer. */
import { Stack } from 'aws-cdk-lib';
import { Grant, type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { FleetName } from '#contract/layout.ts';
import type { AgentProgram } from './assets.ts';
import type { CertificateBucket } from './bucket.ts';
import { prefixes } from './prefixes.ts';
import { giveReason, keyConditions } from './right.ts';

/** A principal of another account gets the bucket's and the key's word too, as far as this stack owns them. */
export function grantAgent(
  { bucket, key }: CertificateBucket,
  { asset }: AgentProgram,
  grantee: IGrantable,
  fleet: FleetName,
): Grant {
  const allow = (actions: string[], prefix: string) => {
    const resource = bucket.arnForObjects(`${prefix}*`);
    const { grantPrincipal } = grantee;
    if (Construct.isConstruct(grantPrincipal))
      giveReason(
        grantPrincipal,
        resource,
        'the zone of one fleet: which objects come to be in it, nobody knows before',
      );
    return Grant.addToPrincipalOrResource({ grantee, actions, resourceArns: [resource], resource: bucket });
  };
  const published = allow(['s3:GetObject'], prefixes.published(fleet));
  const status = allow(['s3:PutObject'], prefixes.statuses(fleet));
  const encryption = Grant.addToPrincipal({
    grantee,
    actions: KEY_ACTIONS,
    resourceArns: [key.keyArn],
    conditions: keyConditions(bucket),
  });
  if (isForeign(grantee, bucket)) letUseKey(key, bucket, grantee);
  const program = Grant.addToPrincipal({
    grantee,
    actions: ['s3:GetObject'],
    resourceArns: [asset.bucket.arnForObjects(asset.s3ObjectKey)],
  });
  return published.combine(status).combine(encryption).combine(program);
}

const KEY_ACTIONS = ['kms:Decrypt', 'kms:GenerateDataKey'];

/** Unknown counts as foreign: a statement too much in the key's policy names the same role. */
function isForeign({ grantPrincipal }: IGrantable, bucket: IBucket): boolean {
  const { principalAccount } = grantPrincipal;
  return principalAccount !== undefined && principalAccount !== Stack.of(bucket).account;
}

/** Without the bucket's name, which the template knows after the key only: the bucket refers to it. */
function letUseKey(key: IKey, bucket: IBucket, { grantPrincipal }: IGrantable): void {
  const { 'kms:ViaService': service } = keyConditions(bucket).StringEquals;
  key.addToResourcePolicy(
    new PolicyStatement({
      actions: KEY_ACTIONS,
      principals: [grantPrincipal],
      resources: ['*'],
      conditions: { StringEquals: { 'kms:ViaService': service } },
    }),
  );
}
