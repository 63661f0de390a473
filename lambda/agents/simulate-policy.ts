/** IAM's own judgement of a policy (IAM API Reference, "SimulateCustomPolicy"): what a stand-in believes of policy variables, AWS knows. */
import { messageOf } from '#contract/errors.ts';
import { hostIdentity } from '#storage/open-host.ts';
import type { Environment } from '#storage/s3-credentials.ts';
import { signedSender } from '#storage/signed-request.ts';

const API_VERSION = '2010-05-08';
/** IAM is one service for all regions of a partition (AWS General Reference, "IAM endpoints"): where it is, and which region signs. */
const ENDPOINTS: Readonly<Record<string, readonly [host: string, region: string]>> = {
  aws: ['iam.amazonaws.com', 'us-east-1'],
  'aws-cn': ['iam.cn-north-1.amazonaws.com.cn', 'cn-north-1'],
  'aws-us-gov': ['iam.us-gov.amazonaws.com', 'us-gov-west-1'],
  'aws-eusc': ['iam.eusc-de-east-1.amazonaws.eu', 'eusc-de-east-1'],
};

/** @throws Error for a partition whose IAM nobody here knows */
export function iamEndpoint(partition: string): { url: URL; region: string } {
  const [host, region] = ENDPOINTS[partition] ?? [];
  if (host === undefined || region === undefined) {
    throw new Error(
      `wanted one of the partitions ${Object.keys(ENDPOINTS).join(', ')}, saw ${partition}: set AWS_ENDPOINT_URL_IAM to its IAM`,
    );
  }
  return { url: new URL(`https://${host}/`), region };
}

export interface SimulatedRequest {
  policy: object;
  action: string;
  resource: string;
  /** Condition keys of the request. */
  context: Readonly<Record<string, string>>;
}

/**
 * @param env credentials, as the SDKs find them; `AWS_ENDPOINT_URL_IAM` and `AWS_ENDPOINT_URL`
 * @returns IAM's word: `allowed`, `explicitDeny` or `implicitDeny`
 * @throws Error with what IAM says
 */
export async function simulatePolicy(request: SimulatedRequest, env: Environment): Promise<string> {
  const { credentials } = await hostIdentity(env);
  const [, partition = ''] = request.resource.split(':');
  const named = env['AWS_ENDPOINT_URL_IAM'] ?? env['AWS_ENDPOINT_URL'];
  const { url, region } = placeOf(partition, named);
  const send = signedSender(credentials, async () => region, 'iam');
  const { status, body } = await send({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(new URLSearchParams(formOf(request)).toString()),
  }).catch((error: unknown) => {
    throw new Error(`IAM does not answer: ${messageOf(error)}`, { cause: error });
  });
  const decision = /<EvalDecision>([A-Za-z]{1,20})<\/EvalDecision>/.exec(body.toString())?.[1];
  if (status === 200 && decision !== undefined) return decision;
  const code = /<Code>([A-Za-z.]{1,64})<\/Code>/.exec(body.toString())?.[1] ?? 'without a code';
  throw new Error(`IAM answers ${status} ${code} to iam:SimulateCustomPolicy`);
}

function placeOf(partition: string, named: string | undefined): { url: URL; region: string } {
  if (named === undefined) return iamEndpoint(partition);
  return { url: new URL(named), region: ENDPOINTS[partition]?.[1] ?? 'us-east-1' };
}

function formOf({ policy, action, resource, context }: SimulatedRequest): Record<string, string> {
  const entries = Object.entries(context).flatMap(([name, value], index) => {
    const entry = `ContextEntries.member.${index + 1}`;
    return [
      [`${entry}.ContextKeyName`, name],
      [`${entry}.ContextKeyType`, 'string'],
      [`${entry}.ContextKeyValues.member.1`, value],
    ];
  });
  return {
    ...{ Action: 'SimulateCustomPolicy', Version: API_VERSION },
    'PolicyInputList.member.1': JSON.stringify(policy),
    'ActionNames.member.1': action,
    'ResourceArns.member.1': resource,
    ...Object.fromEntries(entries),
  };
}
