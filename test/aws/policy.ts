// Who may do what: the caller's policies, judged by iam-simulate with the context that AWS would see.
import { AwsFailure, type Caller, type Check, type Protocol } from './wire.ts';

export type Decision = 'allowed' | 'denied' | 'denied-explicitly';
export type Decide = (caller: Caller, check: Check) => Promise<Decision>;

const everything = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
};

/** Judgements are remembered: policies of a principal do not change. */
export function createPolicyEngine(region: string): Decide {
  const known = new Map<string, Promise<Decision>>();
  return async (caller, check) => {
    if (caller.policies === 'everything' && isOwn(caller, check) && !check.resourcePolicy) return 'allowed';
    const asked = { ...check, context: relevantContext(caller, check) };
    const question = JSON.stringify([caller.arn, caller.userId, asked]);
    const decision = known.get(question) ?? simulate(caller, asked, region);
    known.set(question, decision);
    return decision;
  };
}

/** What no policy names changes no judgement: an ETag in If-Match must not make a new question of each request. */
function relevantContext(
  { policies, boundary }: Caller,
  { context, resourcePolicy }: Check,
): Check['context'] {
  const text = JSON.stringify([policies, boundary, resourcePolicy]).toLowerCase();
  return Object.fromEntries(Object.entries(context).filter(([name]) => text.includes(name.toLowerCase())));
}

const isOwn = (caller: Caller, { ownerId }: Check) => ownerId === undefined || ownerId === caller.accountId;

async function simulate(caller: Caller, check: Check, region: string): Promise<Decision> {
  // it reads megabytes of data about actions: only for tests that ask
  const { runSimulation } = await import('@cloud-copilot/iam-simulate');
  const policies = caller.policies === 'everything' ? [everything] : caller.policies;
  const { boundary } = caller;
  const simulation = known({
    request: {
      principal: caller.arn,
      action: check.action,
      resource: { resource: check.resource, accountId: check.ownerId ?? caller.accountId },
      contextVariables: {
        ...globalContext(caller, region),
        'aws:ResourceAccount': check.ownerId ?? caller.accountId,
        ...check.context,
      },
    },
    identityPolicies: policies.map((policy, index) => ({ name: `policy-${index}`, policy })),
    serviceControlPolicies: [
      { orgIdentifier: 'r-0000', policies: [{ name: 'FullAWSAccess', policy: everything }] },
    ],
    resourceControlPolicies: [],
    resourcePolicy: check.resourcePolicy,
    ...(boundary && { permissionBoundaryPolicies: [{ name: 'boundary', policy: boundary }] }),
  });
  const result = await runSimulation(simulation, {});
  // e.g. an action that does not exist, or a resource that the action does not know
  if (result.resultType === 'error') return 'denied';
  if (result.overallResult === 'Allowed') return 'allowed';
  return result.overallResult === 'ExplicitlyDenied' ? 'denied-explicitly' : 'denied';
}

/** The evaluator does not know keys of an encryption context. Another key of KMS, which no policy here uses, stands for it on both sides. */
function known<T>(value: T): T {
  return JSON.parse(
    JSON.stringify(value).replaceAll('kms:EncryptionContext:aws:s3:arn', 'kms:CallerAccount'),
  );
}

/** What AWS knows of every request. The wire here is plain HTTP; the programs are tested as if it were TLS, as it is with AWS. */
export function globalContext({ arn, accountId, userId, tags }: Caller, region: string): Check['context'] {
  const session = /^arn:aws:sts::(\d+):assumed-role\/([^/]+)\//.exec(arn);
  const tagEntries = Object.entries(tags).map(([name, value]) => [`aws:PrincipalTag/${name}`, value]);
  return {
    'aws:SecureTransport': 'true',
    's3:TlsVersion': '1.3',
    'aws:SourceIp': '127.0.0.1',
    'aws:RequestedRegion': region,
    'aws:userid': userId,
    'aws:PrincipalAccount': accountId,
    'aws:PrincipalArn': session ? `arn:aws:iam::${session[1]}:role/${session[2]}` : arn,
    'aws:PrincipalType': session ? 'AssumedRole' : 'User',
    ...(session ? {} : { 'aws:username': arn.split('/').at(-1) ?? '' }),
    ...Object.fromEntries(tagEntries),
  };
}

export function accessDenied(
  protocol: Protocol,
  { arn }: Caller,
  { action, resource }: Check,
  decision: Decision,
): AwsFailure {
  const why =
    decision === 'denied-explicitly'
      ? 'with an explicit deny in a policy'
      : `because no identity-based policy allows the ${action} action`;
  const named = protocol === 's3' ? `"${resource}"` : resource;
  const message = `User: ${arn} is not authorized to perform: ${action} on resource: ${named} ${why}`;
  if (protocol === 'rest') return new AwsFailure(403, 'AccessDeniedException', message);
  return protocol === 'json'
    ? new AwsFailure(400, 'AccessDeniedException', message)
    : new AwsFailure(403, 'AccessDenied', message);
}
