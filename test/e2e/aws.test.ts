/** The whole story on AWS: issuer and responder from their bundles, S3, Route 53, SSM, agent, HAProxy; each program under its own role, enforced. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Aws, type Principal, startAws } from '../parts/aws/aws.ts';
import { handshake } from '../parts/handshake.ts';
import { type Haproxy, startHaproxy } from '../parts/haproxy.ts';
import { type Pebble, startPebble } from '../parts/pebble.ts';
import { canConnect, freePort } from '../parts/ports.ts';
import { startPart } from '../parts/process.ts';
import { request } from '../parts/request.ts';
import { makeTempDir } from '../parts/temp-dir.ts';
import { hostPolicies, issuerPolicies, responderPolicies } from './aws-roles.ts';
import { finish } from './finish.ts';
import { type Invocation, invoke } from './invoke.ts';
import { acmeOf } from './stage.ts';

const BUCKET = 'certs';
const HOST = 'lb1';
const INSTANCE = 'i-0aaaaaaaaaaaaaaaa';
const SCHEDULED = { source: 'aws.scheduler' };
const program = (name: string) => fileURLToPath(new URL(`../../dist/${name}/index.mjs`, import.meta.url));

const temp = makeTempDir();
const agentFile = join(temp.path, 'agent.yaml');
const configFile = join(temp.path, 'pemfleet.json');
const stops: (() => Promise<void> | void)[] = [temp.remove];
let [aws, pebble, haproxy] = [] as unknown as [Aws, Pebble, Haproxy];
let [issuer, host] = [] as unknown as [Principal, Principal];
let [zoneId, responderAddress] = ['', ''];
const web = { name: 'web.example.test', type: 'A', ttl: 60, values: ['127.0.0.1'] };

before(async () => {
  aws = await startAws();
  stops.unshift(aws.stop);
  aws.s3.createBucket(BUCKET);
  zoneId = aws.route53.createZone({ name: 'example.test', records: [web] });
  issuer = aws.principal({ name: 'issuer', policies: issuerPolicies(BUCKET, aws.accountId) });
  host = aws.principal({ name: HOST, policies: hostPolicies(BUCKET, 'default', HOST) });
  responderAddress = `127.0.0.1:${await freePort()}`;
  haproxy = await startHaproxy({ version: '3.2', env: { PEMFLEET_RESPONDER: responderAddress } });
  stops.unshift(haproxy.stop);
  pebble = await startPebble({ dnsServer: aws.dns.address, httpPort: haproxy.httpPort });
  stops.unshift(pebble.stop);
  enrol();
});
after(async () => {
  for (const stop of stops) await stop();
});
beforeEach(() => {
  aws.calls.length = 0;
});

/** A host of the fleet with its agent, and the document that Run Command runs there. */
function enrol(): void {
  const stateDir = join(temp.path, 'agent');
  mkdirSync(stateDir, { mode: 0o700 });
  const settings = {
    statsSocket: haproxy.socket,
    certsDir: haproxy.certsDir,
    handshake: [`127.0.0.1:${haproxy.httpsPort}`],
  };
  const document = { bucket: `s3://${BUCKET}`, fleet: 'default', host: HOST, haproxy: settings, stateDir };
  writeFileSync(agentFile, JSON.stringify(document));
  const script = [`exec "${process.execPath}" "${program('agent')}" sync --config "${agentFile}"`];
  const pattern = (allowedPattern: string) => ({
    ...{ type: 'String', interpolationType: 'ENV_VAR', allowedPattern },
  });
  aws.ssm.createDocument(
    'pemfleet-sync',
    JSON.stringify({
      schemaVersion: '2.2',
      parameters: {
        fleet: pattern('^[a-z0-9_][a-z0-9._-]{0,62}$'),
        manifest: pattern('^[A-Za-z0-9"_.-]{1,80}$'),
      },
      mainSteps: [{ action: 'aws:runShellScript', name: 'sync', inputs: { runCommand: script } }],
    }),
  );
  const env = { ...host.env, PATH: process.env['PATH'] ?? '' };
  aws.ssm.host({ instanceId: INSTANCE, tags: { 'pemfleet:fleet': 'default' }, cwd: temp.path, env });
}

function configure(certificates: object[], challenge: object): void {
  const document = { bucket: `s3://${BUCKET}`, acme: acmeOf(pebble), certificates, ...challenge };
  writeFileSync(configFile, JSON.stringify(document));
}

const dns01 = () => ({ challenge: 'dns-01', dns: { resolvers: [aws.dns.address] } });
const pass = (principal = issuer) =>
  invoke(
    'issuer',
    { ...principal.env, PEMFLEET_CONFIG: configFile, PEMFLEET_NOTIFY_DOCUMENT: 'pemfleet-sync' },
    { event: SCHEDULED },
  );
const denied = () => aws.calls.filter(({ status }) => status === 403);
const s3Calls = (who: Principal) =>
  aws.calls.filter(({ service, principal }) => service === 's3' && principal === who.arn);
const messages = ({ log }: Invocation) => log.map(({ message }) => message);
const figures = ({ log }: Invocation) => log.find(({ _aws }) => _aws !== undefined);

test('from the schedule to the handshake: ordered by DNS-01, published, told by SSM, served', async () => {
  configure([{ identifiers: ['shop.example.test', '*.shop.example.test'] }], dns01());

  const invocation = await pass();
  await aws.ssm.settled();

  assert.equal(invocation.errorType, undefined, invocation.errorMessage);
  assert.deepEqual(denied(), []);
  assert.ok(messages(invocation).includes('fleet.notified'), JSON.stringify(invocation.log));
  const seen = await handshake({ port: haproxy.httpsPort, servername: 'any.shop.example.test' });
  assert.ok(seen.names.includes('*.shop.example.test'));
  assert.equal(aws.route53.records(zoneId).length, 1, 'as it was before');
  assert.equal(figures(invocation)?.['CertificatesIssued'], 1);
});

test('the next pass reads what became of it, and stands still on six requests to S3', async () => {
  const first = await pass();
  aws.calls.length = 0;

  const idle = await pass();

  // The host's report came after the pass that had told it: one pass reads it, the next has nothing to read.
  assert.ok(messages(first).includes('notify.result'), JSON.stringify(first.log));
  assert.equal(figures(first)?.['HostsBehind'], 0);
  const calls = s3Calls(issuer).map(({ operation, subject }) => `${operation} ${subject}`);
  assert.ok(calls.length <= 6, calls.join('\n'));
  assert.deepEqual(denied(), []);
  assert.equal(figures(idle)?.['RunFinished'], 1);
});

test('an idle poll of a host is one request, answered 304', async () => {
  const { status, stderr } = await finish(program('agent'), ['sync', '--config', agentFile], {
    env: host.env,
  });

  assert.equal(status, 0, stderr);
  assert.deepEqual(
    s3Calls(host).map((call) => `${call.operation} ${call.subject} ${call.status}`),
    ['GetObject published/default/manifest.json 304'],
  );
});

test('HTTP-01: HAProxy passes the challenge to the responder, whose role reads tokens and lists nothing', async () => {
  const responder = aws.principal({ name: 'responder', policies: responderPolicies(BUCKET) });
  const part = await startPart({
    name: 'responder',
    command: process.execPath,
    args: [program('cli'), 'respond', '--config', configFile, '--listen', responderAddress],
    env: responder.env,
    probe: () => canConnect(responderAddress),
  });
  configure([{ identifiers: ['web.example.test'] }], { challenge: 'http-01' });
  const path = '/.well-known/acme-challenge/';

  const invocation = await pass();
  const unknown = await request(`http://${responderAddress}${path}${'x'.repeat(43)}`);

  await part.stop();
  assert.equal(invocation.errorType, undefined, invocation.errorMessage);
  assert.equal(unknown.status, 404);
  const read = aws.calls.filter(({ principal }) => principal === responder.arn);
  assert.ok(read.length >= 2);
  assert.ok(
    read.every(({ operation, subject }) => `${operation} ${subject}`.startsWith('GetObject challenge/')),
  );
  assert.deepEqual(
    aws.s3.keys(BUCKET).filter((key) => key.startsWith('challenge/')),
    [],
  );
});

test('SSM out of order: a warning and a metric, the certificate is published all the same', async () => {
  const names = [
    { identifiers: ['shop.example.test', '*.shop.example.test'] },
    { identifiers: ['b.example.test'] },
  ];
  configure(names, dns01());
  const end = aws.fault({ service: 'ssm' }, { before: 'reset' });

  const invocation = await pass();

  end();
  assert.equal(invocation.errorType, undefined, invocation.errorMessage);
  assert.ok(messages(invocation).includes('notify.failed'));
  assert.ok(Number(figures(invocation)?.['NotifyFailed']) >= 1);
  assert.equal(figures(invocation)?.['CertificatesIssued'], 1);
});

test('a failed certificate makes the invocation red, and the figures are told first', async () => {
  aws.route53.createZone({ name: 'nowhere.test', accountId: '333333333333' });
  configure([{ identifiers: ['nowhere.test'] }], dns01());

  const invocation = await pass();

  assert.equal(invocation.errorType, 'AggregateError');
  assert.match(invocation.errorMessage ?? '', /1 of 1 certificates failed/);
  assert.equal(figures(invocation)?.['CertificatesFailed'], 1);
  const failure = invocation.log.find(({ message }) => message === 'certificate.failed');
  assert.match(
    String(failure?.['error']),
    /no public hosted zone of the issuer's account holds _acme-challenge\.nowhere\.test/,
  );
});

test('a role without a permission fails the pass by name', async () => {
  const poor = issuerPolicies(BUCKET, aws.accountId).map(({ Statement, ...rest }) => ({
    ...rest,
    Statement: Statement.filter((statement) => !JSON.stringify(statement).includes('s3:ListBucket')),
  }));
  const principal = aws.principal({ name: 'poor', policies: poor });

  const invocation = await pass(principal);

  assert.match(invocation.errorMessage ?? '', /s3:ListBucket is denied/);
});
