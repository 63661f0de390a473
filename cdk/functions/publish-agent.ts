/** The function that puts the agent's release into pemfleet's bucket when a deployment brings one. It may write below `agent/` only. */
import { CustomResource, Duration } from 'aws-cdk-lib';
import { Architecture, Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { keyUse, listRight, objects } from '../access/right.ts';
import type { CertificateBucket } from '../bucket/bucket.ts';
import { prefixes } from '../bucket/prefixes.ts';
import { agentTarballs } from '../fleet/agent-release.ts';
import type { PemfleetProps } from '../settings/props.ts';
import { agentReleaseCode } from './code.ts';
import { functionRole } from './role.ts';
import { NODE_24 } from './runtime.ts';

/** @throws Error if the release is missing, of another version, or does not match its digests */
export function publishAgent(
  parent: Construct,
  props: PemfleetProps,
  { bucket, key }: CertificateBucket,
): CustomResource {
  const tarballs = agentTarballs(props.agentRelease);
  const scope = new Construct(parent, 'AgentRelease');
  const { role, logGroup } = functionRole(scope, props, [
    objects('Publish', bucket, ['GetObject', 'PutObject'], [prefixes.agent]),
    listRight(bucket),
    keyUse(key, bucket, ['Decrypt', 'GenerateDataKey']),
  ]);
  const fn = new LambdaFunction(scope, 'Function', {
    description: "pemfleet: puts the agent's release into the bucket",
    runtime: NODE_24,
    architecture: Architecture.ARM_64,
    handler: 'index.handler',
    code: agentReleaseCode(scope, tarballs),
    role,
    logGroup,
    memorySize: 1024,
    timeout: Duration.minutes(10),
    environment: { PEMFLEET_BUCKET: `s3://${bucket.bucketName}` },
    retryAttempts: 0,
  });
  return new CustomResource(scope, 'Release', {
    serviceToken: fn.functionArn,
    resourceType: 'Custom::PemfleetAgentRelease',
    // CloudFormation calls again when a property changes.
    properties: { ServiceTimeout: 900, Release: tarballs.digest },
  });
}
