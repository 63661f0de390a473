/**
 * Reads the SSM parameter with the key that this host trusts first: a place that whoever writes to the bucket cannot change. One signed
 * request, without the SDK.
 */
import { ContractError, messageOf } from '#contract/errors.ts';
import { MAX_TRUST_PARAMETER, parseAnnouncedTrust } from '#contract/trust.ts';
import { hostIdentity } from '#storage/open-host.ts';
import type { Environment } from '#storage/s3-credentials.ts';
import type { SignedAnswer } from '#storage/signed-request.ts';
import { getParameter } from '#storage/ssm/get-parameter.ts';
import type { PinnedTrust } from './record.ts';

/** Of an answer: the value as JSON in JSON, and what SSM says beside it. */
const MAX_ANSWER_BYTES = 4 * MAX_TRUST_PARAMETER;

/**
 * @param parameter its ARN, or its name in the region of this host
 * @throws ContractError `ERR_TRUST_PARAMETER`: also if there is none, for then nobody has said whom to trust
 */
export async function readTrustParameter(parameter: string, env: Environment): Promise<PinnedTrust> {
  const { status, body } = await ask(parameter, env).catch((error: unknown) => {
    throw refused(parameter, `SSM does not answer: ${messageOf(error)}`, error);
  });
  const answer = jsonOf(body);
  if (status === 200) return parseAnnouncedTrust(parameter, String(answer.Parameter?.Value ?? ''));
  const name = /[A-Za-z]+$/.exec(String(answer.__type ?? ''))?.[0] ?? `HTTP ${status}`;
  if (name === 'ParameterNotFound') {
    throw refused(parameter, 'there is no such parameter; the issuer makes it at its first pass');
  }
  const isDenied = /AccessDenied/.test(name);
  throw refused(
    parameter,
    isDenied ? 'the role of this host needs ssm:GetParameter on it' : `SSM says ${name}`,
  );
}

async function ask(parameter: string, env: Environment): Promise<SignedAnswer> {
  const { credentials, region } = await hostIdentity(env);
  return getParameter({ parameter, credentials, region, maxBytes: MAX_ANSWER_BYTES }, env);
}

interface SsmAnswer {
  Parameter?: { Value?: unknown };
  __type?: unknown;
}

function jsonOf(body: Buffer): SsmAnswer {
  try {
    return (JSON.parse(body.toString('utf8')) as SsmAnswer | null) ?? {};
  } catch {
    return {};
  }
}

function refused(parameter: string, says: string, cause?: unknown): ContractError {
  return new ContractError('ERR_TRUST_PARAMETER', parameter, says, { cause });
}
