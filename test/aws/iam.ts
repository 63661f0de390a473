// IAM: SimulateCustomPolicy, judged by the evaluator that judges every other request here.
import type { Decide } from './policy.ts';
import { AwsFailure, type AwsRequest, type Operation, type Service } from './wire.ts';
import { toXml } from './xml.ts';

const namespace = 'https://iam.amazonaws.com/doc/2010-05-08/';

/** IAM's words for the decisions. */
const WORDS = { allowed: 'allowed', denied: 'implicitDeny', 'denied-explicitly': 'explicitDeny' } as const;

export function createIam(decide: Decide, accountId: string): Service {
  return { protocol: 'xml', read: (request) => readSimulation(decide, accountId, request) };
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
