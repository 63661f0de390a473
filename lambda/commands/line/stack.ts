/** Outputs of a CloudFormation stack, by one signed request: the SDK's client for it would be larger than what it reads. */
import { ConfigError } from '#common/config-error.ts';
import { dnsSuffix } from '#common/net/dns-suffix.ts';
import { messageOf } from '#contract/errors.ts';
import { sdkCredentials } from '#storage/metadata/sdk-credentials.ts';
import type { Environment } from '#storage/s3-credentials.ts';
import { signedSender } from '#storage/signed-request.ts';

/** AWS CloudFormation API Reference, DescribeStacks. */
const API_VERSION = '2010-05-15';

/**
 * Credentials and region come from the SDK's standard chain, profiles and SSO among them.
 * @throws ConfigError `ERR_CONFIG` if there is no such stack, or it has no bucket
 */
export async function bucketOfStack(name: string, env: Environment): Promise<string> {
  const outputs = await readOutputs(name, env);
  const key = outputs.has('BucketUrl')
    ? 'BucketUrl'
    : [...outputs.keys()].find((one) => one.endsWith('BucketUrl'));
  const url = key === undefined ? undefined : outputs.get(key);
  if (url !== undefined) return url;
  const others = [...outputs.keys()].join(', ') || 'none';
  throw refused(
    name,
    `it has no output BucketUrl, as PemfleetStack has; its outputs: ${others}; name the bucket by --bucket`,
  );
}

async function readOutputs(name: string, env: Environment): Promise<ReadonlyMap<string, string>> {
  // A client that the issuer has anyway resolves what all of them resolve.
  const { SSMClient } = await import('@aws-sdk/client-ssm');
  const { config } = new SSMClient({ credentials: sdkCredentials() });
  const region = await config.region().catch((error: unknown) => {
    throw refused(name, `no region: set AWS_REGION (${messageOf(error)})`);
  });
  const send = signedSender(config.credentials, async () => region, 'cloudformation');
  const form = { Action: 'DescribeStacks', Version: API_VERSION, StackName: name };
  const { status, body } = await send({
    ...{ method: 'POST', url: endpointOf(region, env) },
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(new URLSearchParams(form).toString()),
  }).catch((error: unknown) => {
    throw refused(name, `CloudFormation in ${region} does not answer: ${messageOf(error)}`);
  });
  const text = body.toString();
  if (status === 200) return outputsIn(text);
  const code = /<Code>([A-Za-z.]{1,64})<\/Code>/.exec(text)?.[1] ?? 'no code';
  const says =
    code === 'ValidationError'
      ? `there is no such stack in ${region}; AWS_REGION says where to look`
      : `CloudFormation answers ${status} ${code} to cloudformation:DescribeStacks in ${region}`;
  throw refused(name, says);
}

function endpointOf(region: string, env: Environment): URL {
  const named = env['AWS_ENDPOINT_URL_CLOUDFORMATION'] ?? env['AWS_ENDPOINT_URL'];
  return new URL(named ?? `https://cloudformation.${region}.${dnsSuffix(region)}/`);
}

/** Keys are alphanumeric; of the values, those without markup are read. */
function outputsIn(text: string): ReadonlyMap<string, string> {
  const members = text.matchAll(
    /<OutputKey>([A-Za-z0-9]+)<\/OutputKey>\s*<OutputValue>([^<&]*)<\/OutputValue>/g,
  );
  return new Map([...members].map(([, key = '', value = '']) => [key, value]));
}

const refused = (name: string, says: string) => new ConfigError('ERR_CONFIG', `--stack ${name}: ${says}`);
