// IAM: SimulateCustomPolicy and SimulatePrincipalPolicy, judged by the evaluator that judges every other request here.
import type { Decide } from './policy.ts';
import { AwsFailure, type AwsRequest, type Caller, type Operation, type Service } from './wire.ts';
import { toXml } from './xml.ts';

const namespace = 'https://iam.amazonaws.com/doc/2010-05-08/';

/** IAM's words for the decisions. */
const WORDS = { allowed: 'allowed', denied: 'implicitDeny', 'denied-explicitly': 'explicitDeny' } as const;

export function createIam(
  decide: Decide,
  accountId: string,
  callerByArn: (arn: string) => Caller | undefined,
): Service {
  return {
    protocol: 'xml',
    read: (request) => {
      const form = new URLSearchParams(request.body.toString());
      return form.get('Action') === 'SimulatePrincipalPolicy'
        ? readPrincipalSimulation(decide, form, callerByArn)
        : readSimulation(decide, accountId, request);
    },
  };
}

/** By the policies of somebody who is there: each resource for itself, without the policies of buckets and keys. */
function readPrincipalSimulation(
  decide: Decide,
  form: URLSearchParams,
  callerByArn: (arn: string) => Caller | undefined,
): Operation {
  const source = form.get('PolicySourceArn') ?? '';
  const run = async () => {
    const caller = callerByArn(source);
    if (caller === undefined) throw new AwsFailure(404, 'NoSuchEntity', `there is no ${source}`);
    const action = form.get('ActionNames.member.1') ?? '';
    const resources = [...form].flatMap(([name, value]) => (name.startsWith('ResourceArns.') ? [value] : []));
    const member = await Promise.all(
      resources.map(async (resource) => {
        const decision = await decide(caller, { action, resource, context: {} });
        return { EvalActionName: action, EvalResourceName: resource, EvalDecision: WORDS[decision] };
      }),
    );
    const SimulatePrincipalPolicyResult = { EvalResults: { member }, IsTruncated: 'false' };
    const SimulatePrincipalPolicyResponse = { '@xmlns': namespace, SimulatePrincipalPolicyResult };
    return {
      ...{ status: 200, headers: { 'content-type': 'text/xml' } },
      body: toXml({ SimulatePrincipalPolicyResponse }),
    };
  };
  const check = { action: 'iam:SimulatePrincipalPolicy', resource: source, context: {} };
  return { name: 'SimulatePrincipalPolicy', subject: source, checks: [check], run };
}

function readSimulation(decide: Decide, accountId: string, { body }: AwsRequest): Operation {
  const form = new URLSearchParams(body.toString());
  const of = (name: string) => form.get(name) ?? '';
  if (of('Action') !== 'SimulateCustomPolicy') {
    throw new AwsFailure(400, 'InvalidAction', `the stand-in knows no ${of('Action')}`);
  }
  const context = Object.fromEntries(contextOf(form));
  const arn = `arn:aws:sts::${accountId}:assumed-role/simulated/session`;
  const userId = context['aws:userid'] ?? 'AROASIMULATED:session';
  const run = async () => {
    const policies = [JSON.parse(of('PolicyInputList.member.1')) as object];
    const caller = { arn, accountId, userId, tags: {}, policies };
    const [action, resource] = [of('ActionNames.member.1'), of('ResourceArns.member.1')];
    const decision = await decide(caller, { action, resource, context });
    const member = { EvalActionName: action, EvalDecision: WORDS[decision] };
    const SimulateCustomPolicyResult = { EvalResults: { member }, IsTruncated: 'false' };
    return {
      ...{ status: 200, headers: { 'content-type': 'text/xml' } },
      body: toXml({ SimulateCustomPolicyResponse: { '@xmlns': namespace, SimulateCustomPolicyResult } }),
    };
  };
  const check = { action: 'iam:SimulateCustomPolicy', resource: '*', context: {} };
  return { name: 'SimulateCustomPolicy', subject: '', checks: [check], run };
}

function* contextOf(form: URLSearchParams): Generator<[string, string]> {
  for (let entry = 1; form.has(`ContextEntries.member.${entry}.ContextKeyName`); entry += 1) {
    const of = (name: string) => form.get(`ContextEntries.member.${entry}.${name}`) ?? '';
    yield [of('ContextKeyName'), of('ContextKeyValues.member.1')];
  }
}
