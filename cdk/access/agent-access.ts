/** What a host of one fleet may do: read what is published for it, say what it serves. No list, no other fleet, nothing of the issuer. */
import { Stack } from 'aws-cdk-lib';
import { Grant, type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { FleetName } from '#contract/layout.ts';
import type { CertificateBucket } from '../bucket/bucket.ts';
import { prefixes, WRITER } from '../bucket/prefixes.ts';
import type { AgentRelease } from '../fleet/agent-release.ts';
import { giveReason, keyConditions } from './right.ts';

export interface AgentRights {
  /**
   * Whose status a host may write.
   *
   * - `own`: the one named like the session of its role. Credentials of an EC2 instance have the instance id there, those of a hybrid
   *   node of Systems Manager its `mi-…`; elsewhere, name the host like the session.
   * - `fleet`: that of every host of the fleet. For hosts whose session is not named like them, and for agents that were installed before
   *   they said who they are.
   *
   * @default 'own'
   */
  readonly status?: 'own' | 'fleet';
}

/**
 * A principal of another account gets the bucket's and the key's word too, as far as this stack owns them.
 * @internal
 */
export function grantAgent(
  { bucket, key }: CertificateBucket,
  releases: readonly AgentRelease[],
  grantee: IGrantable,
  fleet: FleetName,
  { status = 'own' }: AgentRights,
): Grant {
  const allow = (actions: string[], keys: string, conditions?: Record<string, Record<string, string>>) => {
    const resource = bucket.arnForObjects(keys);
    explain(grantee, resource);
    const grant = { grantee, actions, resourceArns: [resource], resource: bucket };
    return Grant.addToPrincipalOrResource({ ...grant, ...(conditions && { conditions }) });
  };
  const published = allow(['s3:GetObject'], `${prefixes.published(fleet)}*`);
  const report =
    status === 'own'
      ? allow(STATUS_ACTIONS, prefixes.ownStatus(fleet), { StringLike: { 'aws:userid': `*:${WRITER}` } })
      : allow(STATUS_ACTIONS, `${prefixes.statuses(fleet)}*`);
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
    resourceArns: releases.map(({ asset }) => asset.bucket.arnForObjects(asset.s3ObjectKey)),
  });
  return published.combine(report).combine(encryption).combine(program);
}

/** The tag by which a host says who it is needs a right of its own. */
const STATUS_ACTIONS = ['s3:PutObject', 's3:PutObjectTagging'];
const KEY_ACTIONS = ['kms:Decrypt', 'kms:GenerateDataKey'];

function explain({ grantPrincipal }: IGrantable, resource: string): void {
  const reason = 'the zone of one fleet: which objects come to be in it, nobody knows before';
  if (Construct.isConstruct(grantPrincipal)) giveReason(grantPrincipal, resource, reason);
}

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
