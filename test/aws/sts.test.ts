/** Roles: assumed by their trust policy, through STS or the instance's metadata. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ListHostedZonesCommand } from '@aws-sdk/client-route-53';
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { fromInstanceMetadata, fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import { setEnv } from '../support/env.ts';
import { request } from '../support/request.ts';
import type { Aws } from './aws.ts';
import { allow, clientConfig, refusalOf, route53Of, startBench } from './clients.ts';
import type { Principal } from './identity.ts';
import { startImds } from './imds.ts';

const stsOf = (aws: Aws, who: Principal) => new STSClient(clientConfig(aws, who));
const trust = (AWS: string, condition?: object) => ({
  Version: '2012-10-17',
  Statement: [
    {
      ...{ Effect: 'Allow', Principal: { AWS }, Action: 'sts:AssumeRole' },
      ...(condition ? { Condition: condition } : {}),
    },
  ],
});

test('AssumeRole', async (t) => {
  let skewMs = 0;
  const aws = await startBench(t, { now: () => new Date(Date.now() + skewMs) });
  const role = aws.role({
    ...{ name: 'dns', accountId: '222222222222', policies: [allow('route53:ListHostedZones', '*')] },
    trust: trust(`arn:aws:iam::${aws.accountId}:root`, { StringEquals: { 'sts:ExternalId': 'secret' } }),
  });
  const untrusting = aws.role({ name: 'closed', policies: 'everything' });
  const may = aws.principal({ name: 'issuer', policies: [allow('sts:AssumeRole', role.arn)] });
  const mayNot = aws.principal({ name: 'agent', policies: [] });
  aws.route53.createZone({ name: 'example.test', accountId: '222222222222' });
  const assume = (who: Principal, RoleArn: string, more = {}) =>
    stsOf(aws, who).send(
      new AssumeRoleCommand({ RoleArn, RoleSessionName: 'pass', ExternalId: 'secret', ...more }),
    );

  for (const [what, ask] of [
    ['without the permission', () => assume(mayNot, role.arn)],
    ['without the external id', () => assume(may, role.arn, { ExternalId: undefined })],
    ['with another external id', () => assume(may, role.arn, { ExternalId: 'other' })],
    ['a role that trusts nobody', () => assume(aws.administrator, untrusting.arn)],
    ['a role that is not there', () => assume(aws.administrator, `${untrusting.arn}-x`)],
  ] as const) {
    await t.test(`${what}: 403 AccessDenied`, async () =>
      assert.equal(await refusalOf(ask()), '403 AccessDenied'),
    );
  }

  await t.test('wrong parameters', async () => {
    assert.equal(await refusalOf(assume(may, role.arn, { RoleSessionName: 'a b' })), '400 ValidationError');
    assert.equal(await refusalOf(assume(may, role.arn, { DurationSeconds: 60 })), '400 ValidationError');
  });

  await t.test("the session acts in the role's account, by the role's policies", async () => {
    const { AssumedRoleUser } = await assume(may, role.arn);
    const { credentials, region, endpoint } = clientConfig(aws, may);
    const provide = fromTemporaryCredentials({
      params: { RoleArn: role.arn, RoleSessionName: 'pass', ExternalId: 'secret' },
      masterCredentials: credentials,
      clientConfig: { region, endpoint },
    });
    const session = { credentials: await provide() } as Pick<Principal, 'credentials'>;

    const { HostedZones } = await route53Of(aws, session).send(new ListHostedZonesCommand({}));

    assert.equal(HostedZones?.length, 1);
    assert.equal(AssumedRoleUser?.Arn, 'arn:aws:sts::222222222222:assumed-role/dns/pass');
    assert.equal(aws.calls.at(-1)?.principal, AssumedRoleUser?.Arn);
  });

  await t.test('the session ends', async () => {
    const { Credentials } = await assume(may, role.arn);
    const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '' } = Credentials ?? {};
    const credentials = {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: SessionToken,
    };
    skewMs = 61 * 60_000;
    const later = new STSClient({ ...clientConfig(aws, { credentials }), systemClockOffset: skewMs });
    assert.equal(await refusalOf(later.send(new GetCallerIdentityCommand({}))), '403 ExpiredToken');
    skewMs = 0;
  });
});

test('whoever it is may ask who it is', async (t) => {
  const aws = await startBench(t);
  const nobody = aws.principal({ name: 'nobody', policies: [] });

  const { Account, Arn, UserId } = await stsOf(aws, nobody).send(new GetCallerIdentityCommand({}));

  assert.deepEqual([Account, Arn, UserId], [aws.accountId, nobody.arn, nobody.userId]);
});

test('a program acts by the environment of its principal', async (t) => {
  const aws = await startBench(t);
  const role = aws.role({ name: 'issuer', policies: [] });
  const { env, arn } = aws.principal({ name: 'pass', role });
  const program = `
    const { STSClient, GetCallerIdentityCommand } = await import('@aws-sdk/client-sts');
    process.stdout.write((await new STSClient().send(new GetCallerIdentityCommand())).Arn);`;
  const options = { env: { ...process.env, ...env }, cwd: import.meta.dirname };

  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', program],
    options,
  );

  assert.equal(stdout, arn);
});

test("an instance's metadata", async (t) => {
  const aws = await startBench(t);
  const role = aws.role({ name: 'agent', policies: [] });
  const principal = aws.principal({ name: 'i-0bbb', role });
  const imds = await startImds({ instanceId: 'i-0bbb', principal: () => principal });
  t.after(imds.stop);
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    request(`${imds.endpoint}/latest/${path}`, { method, headers });
  const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' };

  await t.test('needs a token, which a proxy does not get', async () => {
    assert.equal((await ask('meta-data/instance-id')).status, 401);
    assert.equal((await ask('api/token', {}, 'PUT')).status, 400);
    assert.equal((await ask('api/token', { ...ttl, 'x-forwarded-for': '10.0.0.1' }, 'PUT')).status, 403);
  });

  await t.test('tells who the instance is', async () => {
    const token = (await ask('api/token', ttl, 'PUT')).body;
    const get = async (path: string) => (await ask(path, { 'x-aws-ec2-metadata-token': token })).body;

    assert.equal(await get('meta-data/instance-id'), 'i-0bbb');
    assert.equal(await get('meta-data/placement/region'), 'eu-central-1');
    assert.equal(await get('meta-data/iam/security-credentials/'), 'agent');
    assert.equal((await ask('meta-data/none', { 'x-aws-ec2-metadata-token': token })).status, 404);
  });

  await t.test('gives credentials to the SDK', async () => {
    t.after(setEnv({ AWS_EC2_METADATA_SERVICE_ENDPOINT: imds.endpoint }));
    const credentials = await fromInstanceMetadata({ ec2MetadataV1Disabled: true })();
    const session = { ...principal, credentials: credentials as Principal['credentials'] };

    const { Arn } = await stsOf(aws, session).send(new GetCallerIdentityCommand({}));

    assert.equal(Arn, 'arn:aws:sts::111111111111:assumed-role/agent/i-0bbb');
  });
});
