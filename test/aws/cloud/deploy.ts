// What CloudFormation would make of a synthesized stack, in the stand-ins of AWS and Lambda: roles with their policies, the bucket with
// key and policy, documents, the topic, functions, Function URLs, the schedule. What a template has beside is left out: alarms, dashboard.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { Deployed } from '../../cdk/deployed.ts';
import type { Aws, Principal, Role } from '../aws.ts';
import type { LambdaFunction } from '../lambda/function.ts';
import { type FunctionUrl, startFunctionUrl } from '../lambda/function-url.ts';
import type { Encryption } from '../s3/store.ts';
import { type FunctionPlace, startFunctions } from './functions.ts';

export interface DeployOptions extends Pick<FunctionPlace, 'timeoutMs' | 'onLog'> {
  aws: Aws;
  template: Deployed;
  /** cdk.out */
  outdir: string;
  /** of permissions boundaries, by their ARN */
  boundaries?: Readonly<Record<string, object>>;
  /** PEMs for a host name */
  certificateFor(host: string): Promise<{ chain: string; key: string }>;
  /** of the Function URL: the same for every deployment, as 443 is */
  urlPort: number;
}

export interface Deployment {
  template: Deployed;
  /** by ARN */
  roles: ReadonlyMap<string, Role>;
  functions: Map<string, LambdaFunction>;
  /** by host name */
  urls: ReadonlyMap<string, FunctionUrl>;
  /** A session of a role, for a service that its trust policy names. */
  session(service: string, roleArn: string, name: string): Principal;
  /** Ends functions and URLs; what is stored stays. */
  stop(): Promise<void>;
}

/** Again for a changed stack: what is there gets the new settings, objects stay. */
export async function deploy(options: DeployOptions): Promise<Deployment> {
  const { aws, template, outdir, timeoutMs, onLog } = options;
  const roles = createRoles(options);
  createBuckets(aws, template);
  for (const id of template.all('AWS::SSM::Document')) {
    aws.ssm.createDocument(template.name(id), JSON.stringify(template.properties(id)['Content']));
  }
  for (const id of template.all('AWS::SNS::Topic')) aws.sns.createTopic(template.name(id));
  const session = (service: string, roleArn: string, name: string) => {
    const role = roles.get(roleArn);
    if (role === undefined || !trusts(role, service)) {
      throw new TypeError(`${service} may not have ${roleArn}`);
    }
    return aws.principal({ name, role });
  };
  const functions = startFunctions({ aws, template, outdir, session, timeoutMs, onLog });
  for (const [arn, fn] of functions) {
    const own = template.all('AWS::Lambda::Alias').map((id) => template.properties(id));
    const aliases = own.filter(({ FunctionName }) => FunctionName === fn.name || FunctionName === arn);
    aws.lambda.add(
      fn,
      aliases.map(({ Name }) => String(Name)),
    );
  }
  for (const id of template.all('Custom::PemfleetAgentRelease')) await createCustom(template, id, functions);
  const urls = await startUrls(options, functions);
  // Also those that a test takes out of the map.
  const running = [...urls.values(), ...functions.values()];
  const stop = async () => {
    await Promise.all(running.map((part) => part.stop()));
  };
  return { template, roles, functions, urls, session, stop };
}

function createRoles({ aws, template, boundaries = {} }: DeployOptions): Map<string, Role> {
  const roles = template.all('AWS::IAM::Role').map((id) => {
    const { AssumeRolePolicyDocument: trust, PermissionsBoundary } = template.properties(id);
    const arn = template.arn(id);
    const boundary = PermissionsBoundary === undefined ? undefined : boundaries[String(PermissionsBoundary)];
    if (PermissionsBoundary !== undefined && boundary === undefined) {
      throw new TypeError(`nobody says what the boundary ${PermissionsBoundary} allows`);
    }
    const policies = template.policiesOf(id);
    const accountId = String(arn.split(':')[4]);
    return aws.role({ name: template.name(id), accountId, policies, trust: trust as object, boundary });
  });
  return new Map(roles.map((role) => [role.arn, role]));
}

/** As CloudFormation does: calls the function, and waits for an answer at a URL. Of the first pass, its own test has all. */
async function createCustom(
  template: Deployed,
  id: string,
  functions: ReadonlyMap<string, LambdaFunction>,
): Promise<void> {
  const fn = functions.get(String(template.properties(id)['ServiceToken']));
  const answers: { Status: string; Reason?: string }[] = [];
  const server = createServer(async (request, response) => {
    answers.push((await json(request)) as (typeof answers)[number]);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const event = { RequestType: 'Create', ResponseURL: `http://127.0.0.1:${port}/`, StackId: 'stack' };
  const invocation = await fn?.invoke({ ...event, RequestId: 'request', LogicalResourceId: id });
  await new Promise((resolve) => server.close(resolve));
  const [answer] = answers;
  if (answer?.Status !== 'SUCCESS') {
    throw new Error(`${id} was not created: ${answer?.Reason ?? invocation?.payload}`);
  }
}

interface Trust {
  Statement: { Principal: { Service?: string | string[] } }[];
}

const trusts = ({ trust }: Role, service: string) =>
  (trust as Trust).Statement.some(({ Principal }) => [Principal.Service].flat().includes(service));

interface BucketProperties {
  BucketEncryption: {
    ServerSideEncryptionConfiguration: {
      BucketKeyEnabled: boolean;
      ServerSideEncryptionByDefault: { SSEAlgorithm: Encryption['algorithm']; KMSMasterKeyID: string };
    }[];
  };
  VersioningConfiguration: { Status: 'Enabled' };
}

function createBuckets(aws: Aws, template: Deployed): void {
  const keyPolicies = new Map(
    template
      .all('AWS::KMS::Key')
      .map((id) => [template.arn(id), template.properties(id)['KeyPolicy'] as object]),
  );
  const policies = template.all('AWS::S3::BucketPolicy').map((id) => template.properties(id));
  for (const id of template.all('AWS::S3::Bucket')) {
    const { BucketEncryption, VersioningConfiguration } = template.properties(
      id,
    ) as unknown as BucketProperties;
    const [rule] = BucketEncryption.ServerSideEncryptionConfiguration;
    if (rule === undefined) throw new TypeError(`${id} is not encrypted`);
    const { SSEAlgorithm: algorithm, KMSMasterKeyID: kmsKeyArn } = rule.ServerSideEncryptionByDefault;
    const keyPolicy = keyPolicies.get(kmsKeyArn);
    const name = template.name(id);
    aws.s3.createBucket(name, {
      versioning: VersioningConfiguration.Status,
      encryption: { algorithm, kmsKeyArn, bucketKey: rule.BucketKeyEnabled, ...(keyPolicy && { keyPolicy }) },
      policy: policies.find(({ Bucket }) => Bucket === name)?.['PolicyDocument'] as object,
    });
  }
}

/** Since October 2025 a public URL needs both permissions; without them AWS answers 403. */
const PUBLIC = ['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction'];

async function startUrls(
  { template, certificateFor, urlPort: port }: DeployOptions,
  functions: ReadonlyMap<string, LambdaFunction>,
): Promise<Map<string, FunctionUrl>> {
  const permissions = template.all('AWS::Lambda::Permission').map((id) => template.properties(id));
  const urls = template.all('AWS::Lambda::Url').map(async (id) => {
    const arn = String(template.properties(id)['TargetFunctionArn']);
    const allowed = permissions.filter(
      ({ FunctionName, Principal }) => FunctionName === arn && Principal === '*',
    );
    const isPublic = PUBLIC.every((action) => allowed.some(({ Action }) => Action === action));
    const fn = functions.get(arn);
    if (!isPublic || fn === undefined) throw new TypeError(`the public may not use the URL of ${arn}`);
    const { host } = new URL(template.arn(id));
    const certificate = await certificateFor(host);
    return [host, await startFunctionUrl({ fn, host, certificate, port })] as const;
  });
  return new Map(await Promise.all(urls));
}
