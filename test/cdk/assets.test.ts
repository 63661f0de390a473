/**
 * The whole system as it ships: the stack is synthesized and deployed into the stand-ins, the schedule starts the issuer's asset, HAProxy
 * forwards challenges to the responder's asset behind its Function URL, Run Command makes the agent's asset poll, HAProxy serves. The
 * synthesized policies of each role judge its calls, and the run uses every right of every role, or the test says why it does not.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { METRICS } from '../../cdk/monitoring/metrics.ts';
import { type Call, refusals } from '../aws/aws.ts';
import { type Cloud, startCloud } from '../aws/cloud/cloud.ts';
import { askForRenewal, losePems, messagesOf, published, served } from '../aws/cloud/facts.ts';
import { assetPath } from '../aws/cloud/functions.ts';
import { FOREIGN_NAME } from '../aws/cloud/ground.ts';
import { finish } from '../e2e/finish.ts';
import { stapleOnWire } from '../support/handshake.ts';
import { until } from '../support/process.ts';
import { request } from '../support/request.ts';
import { startStory } from '../support/story.ts';
import { type Rights, rightsOf, together } from './used-rights.ts';

const WEB = { identifiers: ['www.example.test'] };
const WILD = { name: 'wild', identifiers: ['*.example.test', 'example.test'] };
const OTHERS = [{ identifiers: ['found.test'] }, { identifiers: [FOREIGN_NAME] }];
const DNS = { challenge: 'dns-01', certificates: [WEB, WILD, ...OTHERS] } as const;

let cloud: Cloud;
/** by template, for the time it was deployed */
const rights: Rights[] = [];
const calls: Call[] = [];
const chapter = startStory({
  deadlineMs: 300_000,
  start: async () => {
    cloud = await startCloud({ challenge: 'http-01', certificates: [WEB] }, { ca: { hasOcsp: true } });
  },
  stop: () => cloud?.stop(),
});

function issuerAsset(): string[] {
  const { outdir, template } = cloud.app();
  const { S3Key } = template.properties('PemfleetIssuerFunction')['Code'] as { S3Key: string };
  return readdirSync(assetPath(outdir, S3Key)).sort();
}

function closeChapter(): void {
  const made = cloud.aws.calls.splice(0);
  const { template, zones } = cloud.app();
  rights.push(rightsOf(template, made), rightsOf(zones, made));
  calls.push(...made);
}

chapter(
  'HTTP-01: from the schedule to the handshake, by the assets of issuer, responder and agent',
  async () => {
    const { log, initMs, peakMb } = await cloud.pass();

    await served(cloud, 'www.example.test');
    assert.ok(initMs !== undefined && peakMb < 512, log.join('\n'));
    assert.deepEqual(issuerAsset(), ['ca-0.pem', 'commands.mjs', 'index.mjs', 'pemfleet.json']);
    const [command] = cloud.aws.ssm.commands();
    await cloud.aws.ssm.settled();
    assert.equal(command?.invocations[0]?.status, 'Success');
    const requests = [...cloud.deployment().urls.values()].flatMap((url) => url.requests);
    // The CA asks three times beside each other; what comes a moment later, HAProxy answers from its cache.
    assert.ok(requests.filter((line) => line.endsWith(' 200')).length >= 1, requests.join('\n'));
  },
);

chapter(
  'people send commands to the deployed function, by the aliases of the stack, and do nothing else',
  async () => {
    const { aws } = cloud;
    const { template } = cloud.app();
    const arn = template.arn('PemfleetIssuerFunction');
    const aliases = template
      .all('AWS::Lambda::Alias')
      .map((id) => `${arn}:${template.properties(id)['Name']}`);
    const Statement = [{ Effect: 'Allow', Action: 'lambda:InvokeFunction', Resource: aliases }];
    const policies = [{ Version: '2012-10-17', Statement }];
    const { env } = aws.principal({ name: 'alice', role: aws.role({ name: 'operator', policies }) });
    const cli = fileURLToPath(new URL('../../dist/cli/index.mjs', import.meta.url));
    const typed = (...args: string[]) =>
      finish(cli, [...args, '--function', template.name('PemfleetIssuerFunction')], { env });

    const status = await typed('status', '--json');
    const held = await typed('hold', 'www.example.test', '--reason', 'a drill');
    const resumed = await typed('resume', 'www.example.test', '--reason', 'it is over');

    assert.equal(JSON.parse(status.stdout).fleets[0].certificates[0].certificate, 'www.example.test');
    assert.deepEqual([held.status, resumed.status], [0, 0], held.stderr + resumed.stderr);
  },
);

chapter('a burst of validations waits in HAProxy: the responder refuses none', async () => {
  const url = `http://127.0.0.1:${cloud.httpPort}/.well-known/acme-challenge/${'y'.repeat(43)}`;

  const answers = await Promise.all(Array.from({ length: 80 }, () => request(url)));

  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [404]);
  closeChapter();
});

chapter(
  'a changed pemfleet.yaml, deployed: DNS-01, a wildcard, a zone that is found, and one of another account',
  async () => {
    await cloud.update(DNS);

    const invocation = await cloud.pass();

    await served(cloud, 'wild', 'any.example.test');
    await served(cloud, 'found.test');
    await served(cloud, FOREIGN_NAME);
    const left = cloud.aws.route53.records(cloud.zones.own).filter(({ type }) => type === 'TXT');
    assert.deepEqual(
      left.map(({ values }) => values),
      [['"not ours"']],
    );
    const told = messagesOf(invocation).flatMap(({ _aws, ...line }) => (_aws ? Object.keys(line) : []));
    // NamesWrong is written, and has its alarm, only where a probe is scheduled.
    assert.deepEqual(
      Object.keys(METRICS).filter((metric) => !told.includes(metric)),
      ['NamesWrong'],
      'an alarm looks at what nobody tells',
    );
  },
);

chapter('renewal at the request of the CA, with staples, on the same HAProxy process', async () => {
  const [before, pid] = [published(cloud), await cloud.host.haproxy.pid()];
  for (const { serial } of before.values()) cloud.ocsp.good.add(serial);
  await cloud.pass();
  const staple = () => stapleOnWire({ port: cloud.httpsPort, servername: 'found.test' });
  const isStapled = async () => ((await staple())?.length ?? 0) > 100;
  await until(isStapled, cloud.agent.ended, 30_000);
  await askForRenewal(cloud);

  const invocation = await cloud.pass();

  const renewed = messagesOf(invocation).filter(({ message }) => message === 'certificate.issued');
  assert.equal(renewed.length, 4, invocation.log.join('\n'));
  assert.equal(invocation.initMs, undefined, 'a warm start');
  for (const name of before.keys()) {
    assert.notEqual(
      await served(cloud, name, name === 'wild' ? 'example.test' : name),
      before.get(name)?.serial,
    );
  }
  assert.equal(await cloud.host.haproxy.pid(), pid);
});

chapter('doctor finds no problem in the bucket, with the rights of the host', async () => {
  const { stdout } = await cloud.host.agent(['doctor', '--json']);

  const { findings } = JSON.parse(stdout) as { findings: { id: string }[] };
  assert.deepEqual(
    findings.filter(({ id }) => /bucket|manifest|status|certificate/.test(id)),
    [],
  );
});

chapter('the failure queue keeps a failed pass and an invocation that could not be delivered', async () => {
  losePems(cloud);
  const end = cloud.aws.fault({ operation: 'PutObject', subject: /^published/ }, refusals.kmsDenied());

  const red = await cloud.wake();
  end();
  cloud.deployment().functions.clear();
  const missed = await cloud.wake();

  assert.equal(red?.functionError, 'Unhandled');
  assert.equal(missed, undefined);
  assert.match(
    JSON.stringify(cloud.failures),
    /RetriesExhausted.*4 of 4 certificates failed.*could not be delivered/,
  );
  closeChapter();
});

chapter('the policies of its role allowed every call of every program', () => {
  const refused = calls.flatMap(({ principal = 'nobody', checks }) =>
    checks
      .filter(({ decision }) => decision !== 'allowed')
      .map(({ action, resource }) => `${principal.split('/').slice(1).join(' ')} ${action} ${resource}`),
  );
  const ofRoles = calls.filter(({ principal = '' }) => principal.includes(':assumed-role/'));

  assert.equal(ofRoles.length, calls.length, 'somebody was not one of the roles');
  assert.ok(calls.length > 100, `${calls.length} calls`);
  const unexplained = refused.filter((line) => !REFUSED.some(([pattern]) => pattern.test(line)));
  assert.deepEqual(unexplained, []);
  for (const [pattern, reason] of REFUSED) {
    assert.ok(
      refused.some((line) => pattern.test(line)),
      `nothing is refused any more because ${reason}`,
    );
  }
  const { globals, checks } = calls.find(
    ({ subject, status }) => subject.endsWith('root.json') && status === 200,
  ) as Call;
  assert.deepEqual([globals['aws:SecureTransport'], globals['aws:SourceIp']], ['true', '127.0.0.1']);
  assert.ok(checks.some(({ context }) => 'kms:EncryptionContext:aws:s3:arn' in context));
});

chapter('every right of every role was used, or has a reason why not', () => {
  const { allowed, used } = together(rights);
  const unused = [...allowed].filter((right) => !used.has(right)).sort();

  assert.ok(allowed.size >= 40, `${allowed.size} rights`);
  assert.deepEqual(unused, Object.keys(UNUSED).sort());
});

/** Without the right to list, S3 answers 403 for a missing object. */
const REFUSED: readonly [RegExp, reason: string][] = [
  [/^pemfleetresponderrole\S* \S+ s3:ListBucket /, 'HAProxy was tried with a token that does not exist'],
  [/^hosts\S* \S+ s3:ListBucket /, 'the host booted before anything was published'],
];

const UNUSED: Readonly<Record<string, string>> = {
  'IssuerRole sns:Publish pemfleetalarmstopic': 'no level rises; in asset-run.test.ts one does',
  'IssuerRole s3:DeleteObject bucket/published/*/pem/*': 'no manifest has named the object for 30 days',
  'IssuerRole s3:DeleteObject bucket/published/*/shard/*': 'no manifest has named the object for 30 days',
};
