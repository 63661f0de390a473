/**
 * Rights of a host: it reads what is published for its fleet and writes its own status. It can neither list the bucket nor read
 * another fleet or the issuer's objects.
 */
import { Stack } from 'aws-cdk-lib';
import { Grant, type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { FleetName } from '#contract/layout.ts';
import type { CertificateBucket } from '../bucket/bucket.ts';
import { prefixes, WRITER } from '../bucket/prefixes.ts';
import { acknowledgeResource, keyConditions, ownAccount, parameterArn } from './right.ts';

/** How far the rights of an agent go. */
export interface AgentRights {
  /**
   * Whose status a host may write.
   *
   * - `own`: only the status named after the host's role session. For EC2 instances the session name is the instance id, for hybrid
   *   nodes of Systems Manager their `mi-…` id; elsewhere, set the agent's `host` to the session name.
   * - `fleet`: the status of every host of the fleet. For hosts whose session is not named after them, and for agents too old to tag
   *   their status with their name.
   *
   * @default 'own'
   */
  readonly status?: 'own' | 'fleet';
}

/** @internal */
export interface HostRights extends AgentRights {
  readonly fleet: FleetName;
  /** Name of the SSM parameter with the key that hosts trust. */
  readonly trustParameter: string;
}

/**
 * Grants `grantee` the rights of an agent. For a principal of another account, the policies of bucket and key name it too, as far as
 * this stack owns them.
 * @internal
 */
export function grantAgent(
  { bucket, key }: CertificateBucket,
  grantee: IGrantable,
  { fleet, trustParameter, status = 'own' }: HostRights,
): Grant {
  const allow = (actions: string[], keys: string, conditions?: Record<string, Record<string, string>>) => {
    const resource = bucket.arnForObjects(keys);
    acknowledgeWildcard(grantee, resource);
    const grant = { grantee, actions, resourceArns: [resource], resource: bucket };
    return Grant.addToPrincipalOrResource({
      ...grant,
      conditions: { ...ownAccount(bucket), ...conditions },
    });
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
  if (isForeign(grantee, bucket)) allowKeyUse(key, bucket, grantee);
  const program = allow(['s3:GetObject'], `${prefixes.agent}*`);
  const trust = Grant.addToPrincipal({
    grantee,
    actions: ['ssm:GetParameter'],
    resourceArns: [parameterArn(Stack.of(bucket), trustParameter)],
  });
  return published.combine(report).combine(encryption).combine(program).combine(trust);
}

/** A host tags its status with its name, and tagging needs its own permission. */
const STATUS_ACTIONS = ['s3:PutObject', 's3:PutObjectTagging'];
const KEY_ACTIONS = ['kms:Decrypt', 'kms:GenerateDataKey'];

function acknowledgeWildcard({ grantPrincipal }: IGrantable, resource: string): void {
  const reason = 'prefix of one fleet, or of the releases: object names are not known before run time';
  if (Construct.isConstruct(grantPrincipal)) acknowledgeResource(grantPrincipal, resource, reason);
}

/** An unresolved account counts as foreign: the cost is one more statement in the key policy, for the same role. */
function isForeign({ grantPrincipal }: IGrantable, bucket: IBucket): boolean {
  const { principalAccount } = grantPrincipal;
  return principalAccount !== undefined && principalAccount !== Stack.of(bucket).account;
}

/** Leaves out the bucket's ARN: the bucket refers to its key, so the key policy cannot refer to the bucket. */
function allowKeyUse(key: IKey, bucket: IBucket, { grantPrincipal }: IGrantable): void {
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
