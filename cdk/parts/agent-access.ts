/** What a host of one fleet may do: read what is published for it, say what it serves. No list, no other fleet, nothing of the issuer. */
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
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
  const encryption = Grant.addToPrincipalOrResource({
    grantee,
    actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
    resourceArns: [key.keyArn],
    resourceSelfArns: ['*'],
    resource: key,
    conditions: keyConditions(bucket),
  });
  const program = Grant.addToPrincipal({
    grantee,
    actions: ['s3:GetObject'],
    resourceArns: [asset.bucket.arnForObjects(asset.s3ObjectKey)],
  });
  return published.combine(status).combine(encryption).combine(program);
}
