// STS: AssumeRole by the role's trust policy, and GetCallerIdentity, which nobody can be denied.
import type { Identity, Principal } from './identity.ts';
import {
  type Answer,
  AwsFailure,
  type AwsRequest,
  type Caller,
  type Operation,
  type Service,
} from './wire.ts';
import { toXml } from './xml.ts';

const namespace = 'https://sts.amazonaws.com/doc/2011-06-15/';

export function createSts(identity: Identity, now: () => Date): Service {
  return { protocol: 'xml', read: (request, caller) => readSts({ identity, now }, request, caller) };
}

interface Ground {
  identity: Identity;
  now: () => Date;
}

function readSts(ground: Ground, { body }: AwsRequest, caller: Caller): Operation {
  const form = new URLSearchParams(body.toString());
  const action = form.get('Action');
  if (action === 'GetCallerIdentity') {
    const { accountId, arn, userId } = caller;
    const run = () => result('GetCallerIdentity', { UserId: userId, Account: accountId, Arn: arn });
    return { name: action, subject: '', checks: [], run };
  }
  if (action === 'AssumeRole') return readAssumeRole(ground, form);
  throw new AwsFailure(400, 'InvalidAction', `the stand-in knows no ${action}`);
}

function readAssumeRole({ identity, now }: Ground, form: URLSearchParams): Operation {
  const arn = form.get('RoleArn') ?? '';
  const sessionName = form.get('RoleSessionName') ?? '';
  const externalId = form.get('ExternalId');
  const seconds = Number(form.get('DurationSeconds') ?? 3600);
  const invalid = (field: string) =>
    new AwsFailure(
      400,
      'ValidationError',
      `1 validation error detected: Value at '${field}' failed to satisfy constraint`,
    );
  if (!/^[\w+=,.@-]{2,64}$/.test(sessionName)) throw invalid('roleSessionName');
  if (externalId !== null && !/^[\w+=,.@:/-]{2,1224}$/.test(externalId)) throw invalid('externalId');
  if (!(seconds >= 900 && seconds <= 43_200)) throw invalid('durationSeconds');
  const role = identity.roleByArn(arn);
  const check = {
    ...{ action: 'sts:AssumeRole', resource: arn, ownerId: arn.split(':')[4] ?? '' },
    context: {
      'sts:RoleSessionName': sessionName,
      ...(externalId === null ? {} : { 'sts:ExternalId': externalId }),
    },
    // a role that does not exist is refused like one that may not be assumed
    resourcePolicy: role?.trust ?? nobody,
  };
  const run = () => {
    if (!role) throw new AwsFailure(403, 'AccessDenied', `${arn} does not exist`);
    const expiresAt = new Date(now().getTime() + seconds * 1000);
    return assumed(identity.principal({ name: sessionName, role, expiresAt }), expiresAt);
  };
  return { name: 'AssumeRole', subject: arn, checks: [check], run };
}

const nobody = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Deny', Principal: '*', Action: 'sts:AssumeRole' }],
};

function assumed({ arn, userId, credentials }: Principal, expiresAt: Date): Answer {
  return result('AssumeRole', {
    AssumedRoleUser: { AssumedRoleId: userId, Arn: arn },
    Credentials: {
      AccessKeyId: credentials.accessKeyId,
      SecretAccessKey: credentials.secretAccessKey,
      SessionToken: credentials.sessionToken,
      Expiration: expiresAt.toISOString(),
    },
  });
}

const result = (name: string, fields: object): Answer => ({
  status: 200,
  headers: { 'content-type': 'text/xml' },
  body: toXml({ [`${name}Response`]: { '@xmlns': namespace, [`${name}Result`]: fields } }),
});
