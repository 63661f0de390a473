/** Lambda's Invoke, by one signed request (AWS Lambda API Reference): its own client of the SDK would be larger than what it says. */
import { ConfigError } from '#common/config-error.ts';
import { dnsSuffix } from '#common/net/dns-suffix.ts';
import { MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { messageOf } from '#contract/errors.ts';
import { sdkCredentials } from '#storage/metadata/sdk-credentials.ts';
import type { Environment } from '#storage/s3-credentials.ts';
import { type SendSigned, type SignedAnswer, signedSender } from '#storage/signed-request.ts';
import { FunctionError } from './function-error.ts';

/** "6 MB for synchronous invocations", and what Lambda puts around them. */
const MAX_BYTES = 7 * 1024 * 1024;
/** No function runs longer than 15 minutes; its start and the way back. */
const LONGEST_MS = 16 * MINUTE_MS;

export interface Invocation {
  /** Name or ARN, without an alias. */
  functionName: string;
  alias: string;
  payload: object;
}

export interface Invoked {
  body: string;
  /** In CloudTrail, and in the audit trail. */
  requestId: string;
}

/** The region, and whoever signs: from the SDK's standard chain, profiles and SSO among them. */
export interface LambdaService {
  region: string;
  send: SendSigned;
  url: URL;
}

const ARN = /^arn:aws[a-z-]*:lambda:([a-z0-9-]+):\d{12}:function:[A-Za-z0-9_-]{1,64}$/;
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** @throws ConfigError */
export async function openLambda(functionName: string, env: Environment): Promise<LambdaService> {
  const named = ARN.exec(functionName)?.[1];
  if (named === undefined && !NAME.test(functionName)) {
    throw refused(functionName, 'wanted the name of the function, or its ARN without alias or version');
  }
  // A client that the issuer has anyway resolves what all of them resolve.
  const { SSMClient } = await import('@aws-sdk/client-ssm');
  const { config } = new SSMClient({ credentials: sdkCredentials() });
  const region =
    named ??
    (await config.region().catch((error: unknown) => {
      throw refused(
        functionName,
        `no region: set AWS_REGION, or name the function by its ARN (${messageOf(error)})`,
      );
    }));
  const endpoint = env['AWS_ENDPOINT_URL_LAMBDA'] ?? env['AWS_ENDPOINT_URL'];
  const url = new URL(endpoint ?? `https://lambda.${region}.${dnsSuffix(region)}/`);
  return { region, url, send: signedSender(config.credentials, async () => region, 'lambda') };
}

/** @throws FunctionError; `ERR_FUNCTION_BUSY` where another attempt may succeed */
export async function invokeFunction(service: LambdaService, invocation: Invocation): Promise<Invoked> {
  const { functionName, alias, payload } = invocation;
  const url = new URL(`/2015-03-31/functions/${encodeURIComponent(functionName)}/invocations`, service.url);
  url.searchParams.set('Qualifier', alias);
  const began = Date.now();
  const answer = await service
    .send({
      ...{ method: 'POST', url, headers: { 'content-type': 'application/json' } },
      ...{ body: Buffer.from(JSON.stringify(payload)), maxBytes: MAX_BYTES, timeoutMs: LONGEST_MS },
    })
    .catch((error: unknown) => {
      throw lostAnswer(functionName, error, Date.now() - began);
    });
  if (answer.status !== 200) throw refusal(answer, invocation, service.region);
  const requestId = answer.headers['x-amzn-requestid'] ?? 'unknown';
  const body = answer.body.toString('utf8');
  const kind = answer.headers['x-amz-function-error'];
  if (kind !== undefined) throw failedInside(functionName, body, requestId);
  return { body, requestId };
}

function lostAnswer(functionName: string, error: unknown, ms: number): FunctionError {
  if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED' || /credential/i.test(messageOf(error))) {
    return new FunctionError(
      'ERR_FUNCTION_LOST',
      `${functionName}: Lambda was not reached: ${messageOf(error)}`,
      { cause: error },
    );
  }
  const seconds = Math.round(ms / SECOND_MS);
  const says = `the answer of the function was lost after ${seconds} s (${messageOf(error)}): it may have run to its end; pemfleet status and pemfleet audit show what is so now`;
  return new FunctionError('ERR_FUNCTION_LOST', `${functionName}: ${says}`);
}

interface LambdaProblem {
  message?: unknown;
  Message?: unknown;
  Reason?: unknown;
}

function refusal(answer: SignedAnswer, { functionName, alias }: Invocation, region: string): FunctionError {
  const text = answer.body.toString('utf8');
  const problem = problemIn(text);
  const type = (answer.headers['x-amzn-errortype'] ?? '').split(':')[0] ?? '';
  const says = String(problem.message ?? problem.Message ?? type).slice(0, 500);
  const where = `${functionName}:${alias} in ${region}`;
  switch (answer.status) {
    case 403:
      return new FunctionError(
        'ERR_FUNCTION_DENIED',
        `${where}: ${says}; wanted lambda:InvokeFunction on the alias ${alias}: grantOperator or grantAuditor of the construct`,
      );
    case 404:
      return new FunctionError(
        'ERR_FUNCTION_MISSING',
        `${where}: ${says}; wanted the function that the output IssuerName of the stack names, with the alias ${alias}, which a stack has from this release of pemfleet on: deploy it; AWS_REGION says where it is`,
      );
    case 429:
      return new FunctionError(
        'ERR_FUNCTION_BUSY',
        `${where}: ${busyText(String(problem.Reason ?? ''))} (${says})`,
      );
    default:
      return new FunctionError(
        'ERR_FUNCTION_FAILED',
        `${where}: Lambda answers ${answer.status} ${type || 'without a code'}: ${says}`,
      );
  }
}

function busyText(reason: string): string {
  return reason.startsWith('Reserved')
    ? 'it works on something else, a scheduled pass for example, and does one thing at a time: try again in some minutes'
    : 'Lambda takes no more invocations in this account now: try again in a minute';
}

/** What the handler threw, or Lambda itself says: a time-out, too little memory. */
function failedInside(functionName: string, body: string, requestId: string): FunctionError {
  const { errorType = 'no type', errorMessage = 'no message' } = problemIn(body) as Record<string, unknown>;
  const isLate = /timed out after/.test(String(errorMessage));
  const advice = isLate
    ? 'what it has begun goes on with the next pass; ask for less (--only, --fleet), or read the bucket itself (--bucket)'
    : 'its log group has more';
  const says = `${String(errorType).slice(0, 100)}: ${String(errorMessage).slice(0, 1000)}`;
  return new FunctionError(
    'ERR_FUNCTION_FAILED',
    `${functionName}: the function failed (request ${requestId}): ${says}; ${advice}`,
  );
}

function problemIn(text: string): LambdaProblem {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    // A proxy in between, for example.
    return {};
  }
}

const refused = (name: string, says: string) => new ConfigError('ERR_CONFIG', `--function ${name}: ${says}`);
