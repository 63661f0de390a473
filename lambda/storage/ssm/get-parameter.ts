/** Reads one SSM parameter by one signed request, for programs that must be small. */
import type { AwsCredentialIdentityProvider } from '@smithy/types';
import { dnsSuffix } from '#common/net/dns-suffix.ts';
import type { Environment } from '#storage/s3-credentials.ts';
import { type SignedAnswer, signedSender } from '#storage/signed-request.ts';

export interface ParameterRequest {
  /** Its ARN, or its name in the region of this machine. */
  parameter: string;
  credentials: AwsCredentialIdentityProvider;
  region: () => Promise<string>;
  /** Of a SecureString: its value, not its ciphertext. */
  withDecryption?: boolean;
  /** Of the answer: the value as JSON in JSON, and what SSM says beside it. */
  maxBytes: number;
}

/** @param env with `AWS_ENDPOINT_URL_SSM` and `AWS_ENDPOINT_URL` as the SDKs read them. @returns SSM's answer, whatever it says */
export async function getParameter(
  { parameter, credentials, region: own, withDecryption = false, maxBytes }: ParameterRequest,
  env: Environment,
): Promise<SignedAnswer> {
  const named = /^arn:[^:]+:ssm:([^:]+):/.exec(parameter)?.[1];
  const region = named === undefined ? own : async () => named;
  const send = signedSender(credentials, region, 'ssm');
  return send({
    method: 'POST',
    url: await endpointOf(env, region),
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'AmazonSSM.GetParameter' },
    body: Buffer.from(JSON.stringify({ Name: parameter, ...(withDecryption && { WithDecryption: true }) })),
    maxBytes,
  });
}

async function endpointOf(env: Environment, region: () => Promise<string>): Promise<URL> {
  const endpoint = env['AWS_ENDPOINT_URL_SSM'] ?? env['AWS_ENDPOINT_URL'];
  if (endpoint !== undefined) return new URL(endpoint);
  const name = await region();
  return new URL(`https://ssm.${name}.${dnsSuffix(name)}/`);
}
