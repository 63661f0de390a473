/** The whole story on AWS: issuer and responder from their bundles, S3, Route 53, SSM, agent, HAProxy; each program under its own role, enforced. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { Principal } from '../aws/aws.ts';
import { COUNTS } from '../bench/counts.ts';
import { handshake } from '../support/handshake.ts';
import { canConnect } from '../support/ports.ts';
import { startPart } from '../support/process.ts';
import { request } from '../support/request.ts';
import { issuerPolicies, responderPolicies } from './aws-roles.ts';
import { type AwsStage, BUCKET, program, startAwsStage } from './aws-stage.ts';
import { finish } from './finish.ts';
import type { Invocation } from './invoke.ts';

let stage: AwsStage;
before(async () => {
  stage = await startAwsStage();
});
after(() => stage.stop());
beforeEach(() => {
  stage.aws.calls.length = 0;
});

const dns01 = () => ({ challenge: 'dns-01', dns: { resolvers: [stage.aws.dns.address] } });
const denied = () => stage.aws.calls.filter(({ status }) => status === 403);
const s3Calls = (who: Principal) =>
  stage.aws.calls.filter(({ service, principal }) => service === 's3' && principal === who.arn);
const messages = ({ log }: Invocation) => log.map(({ message }) => message);
const figures = ({ log }: Invocation) => log.find(({ _aws }) => _aws !== undefined);

test('from the schedule to the handshake: ordered by DNS-01, published, told by SSM, served', async () => {
  stage.configure([{ identifiers: ['shop.example.test', '*.shop.example.test'] }], dns01());

  const invocation = await stage.pass();
  await stage.aws.ssm.settled();

  assert.equal(invocation.errorType, undefined, invocation.errorMessage);
  assert.deepEqual(denied(), []);
  assert.ok(messages(invocation).includes('fleet.notified'), JSON.stringify(invocation.log));
  const seen = await handshake({ port: stage.haproxy.httpsPort, servername: 'any.shop.example.test' });
  assert.ok(seen.names.includes('*.shop.example.test'));
  assert.equal(stage.aws.route53.records(stage.zoneId).length, 1, 'as it was before');
  assert.equal(figures(invocation)?.['CertificatesIssued'], 1);
});

test('the next pass reads what became of it, and stands still on a few requests to S3', async () => {
  const first = await stage.pass();
  stage.aws.calls.length = 0;

  const idle = await stage.pass();

  // The host's report came after the pass that had told it: one pass reads it, the next has nothing to read.
  assert.ok(messages(first).includes('notify.result'), JSON.stringify(first.log));
  assert.equal(figures(first)?.['HostsBehind'], 0);
  const calls = s3Calls(stage.issuer).map(({ operation, subject }) => `${operation} ${subject}`);
  // Among them one listing for each way in which people stop something: holds, and revocations that wait.
  assert.ok(calls.length <= 21, calls.join('\n'));
  assert.deepEqual(denied(), []);
  assert.equal(figures(idle)?.['RunFinished'], 1);
});

test('an idle poll of a stage.host is one request, answered 304', async () => {
  const { status, stderr } = await finish(program('agent'), ['sync', '--config', stage.agentFile], {
    env: stage.host.env,
  });

  assert.equal(status, 0, stderr);
  assert.deepEqual(
    s3Calls(stage.host).map((call) => `${call.operation} ${call.subject} ${call.status}`),
    Array(COUNTS.idlePoll.get).fill('GetObject published/default/root.json 304'),
  );
});

test('HTTP-01: HAProxy passes the challenge to the responder, whose role reads tokens and lists nothing', async () => {
  const responder = stage.aws.principal({ name: 'responder', policies: responderPolicies(BUCKET) });
  const part = await startPart({
    name: 'responder',
    command: process.execPath,
    args: [program('cli'), 'respond', '--config', stage.configFile, '--listen', stage.responderAddress],
    env: responder.env,
    probe: () => canConnect(stage.responderAddress),
  });
  stage.configure([{ identifiers: ['web.example.test'] }], { challenge: 'http-01' });
  const path = '/.well-known/acme-challenge/';

  const invocation = await stage.pass();
  const unknown = await request(`http://${stage.responderAddress}${path}${'x'.repeat(43)}`);

  await part.stop();
  assert.equal(invocation.errorType, undefined, invocation.errorMessage);
  assert.equal(unknown.status, 404);
  const read = stage.aws.calls.filter(({ principal }) => principal === responder.arn);
  assert.ok(read.length >= 2);
  assert.ok(
    read.every(({ operation, subject }) => `${operation} ${subject}`.startsWith('GetObject challenge/')),
  );
  assert.deepEqual(
    stage.aws.s3.keys(BUCKET).filter((key) => key.startsWith('challenge/')),
    [],
  );
});

test('SSM out of order: a warning and a metric, the certificate is published all the same', async () => {
  const names = [
    { identifiers: ['shop.example.test', '*.shop.example.test'] },
    { identifiers: ['b.example.test'] },
  ];
  stage.configure(names, dns01());
  const end = stage.aws.fault({ service: 'ssm' }, { before: 'reset' });

  const invocation = await stage.pass();

  end();
  assert.equal(invocation.errorType, undefined, invocation.errorMessage);
  assert.ok(messages(invocation).includes('notify.failed'));
  assert.ok(Number(figures(invocation)?.['NotifyFailed']) >= 1);
  assert.equal(figures(invocation)?.['CertificatesIssued'], 1);
});

test('a failed certificate makes the invocation red, and the figures are told first', async () => {
  stage.aws.route53.createZone({ name: 'nowhere.test', accountId: '333333333333' });
  stage.configure([{ identifiers: ['nowhere.test'] }], dns01());

  const invocation = await stage.pass();

  assert.equal(invocation.errorType, 'AggregateError');
  assert.match(invocation.errorMessage ?? '', /1 of 1 certificates failed/);
  assert.equal(figures(invocation)?.['CertificatesFailing'], 1);
  const failure = invocation.log.find(({ message }) => message === 'certificate.failed');
  assert.match(
    String(failure?.['error']),
    /no public hosted zone of the issuer's account holds _acme-challenge\.nowhere\.test/,
  );
});

test('a role without a permission fails the pass by name', async () => {
  const poor = issuerPolicies(BUCKET, stage.aws.accountId).map(({ Statement, ...rest }) => ({
    ...rest,
    Statement: Statement.filter((statement) => !JSON.stringify(statement).includes('s3:ListBucket')),
  }));
  const principal = stage.aws.principal({ name: 'poor', policies: poor });

  const invocation = await stage.pass(principal);

  assert.match(invocation.errorMessage ?? '', /s3:ListBucket is denied/);
});
