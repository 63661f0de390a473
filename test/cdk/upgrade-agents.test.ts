/**
 * `pemfleet upgrade-agents` on a fleet of three in the stand-in of AWS: the stack's own document with its scripts, run by each host under the role
 * of the template, the release in the bucket, and installers. systemd and HAProxy are not here: the test reports for the agents.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Template } from 'aws-cdk-lib/assertions';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { fleetName, hostName, layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { publishAgentRelease } from '../../lambda/agents/publish-release.ts';
import { upgradeAgents, wavesOf } from '../../lambda/agents/upgrade.ts';
import { UpgradeCommand } from '../../lambda/agents/upgrade-command.ts';
import { isReadable, listStatuses, type ReadStatus, readHostStatus } from '../../lambda/fleet/read-status.ts';
import type { Aws } from '../aws/aws.ts';
import { allow, startBench } from '../aws/clients.ts';
import { startImds } from '../aws/imds.ts';
import { setEnv } from '../support/env.ts';
import { tempDir } from '../support/temp-dir.ts';
import { deployed } from './deployed.ts';
import { operatorPolicy } from './operator.ts';
import { small, stackOf } from './stacks.ts';

const HOSTS = ['i-0aaaaaaaaaaaaaaa1', 'i-0aaaaaaaaaaaaaaa2', 'i-0aaaaaaaaaaaaaaa3'];
const fleet = fleetName.parse('default');
const BROKEN = '0.3.0-broken';

const { stack } = stackOf();
stack.pemfleet.grantAgent(
  new Role(stack, 'Hosts', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') }),
  'default',
);
const template = deployed({ template: Template.fromStack(stack) });
const bucketName = template.name('PemfleetBucket');
const documentName = template.name('PemfleetUpgradeDocument');

test('a fleet of three: the canary first, proved by its report, then the others; a second time nothing is to do', async (t) => {
  const { aws, statuses, upgrade, versions } = await startFleet(t, '0.1.0');
  await release(t, aws, '0.2.0');

  const results = await upgrade('0.2.0');

  assert.deepEqual(
    results.map(({ host, state }) => `${host} ${state}`),
    HOSTS.map((host) => `${host} upgraded`),
  );
  assert.deepEqual(versions(), ['0.2.0', '0.2.0', '0.2.0']);
  assert.deepEqual(
    (await statuses()).map(({ agent }) => agent.version),
    ['0.2.0', '0.2.0', '0.2.0'],
  );
});

test('a broken release stops at the canary, which gets its former agent back; no other host is touched', async (t) => {
  const { aws, upgrade, versions } = await startFleet(t, '0.1.0');
  await release(t, aws, BROKEN);

  const results = await upgrade(BROKEN);

  assert.deepEqual(
    results.map(({ host, state, why }) => [host, state, why]),
    [
      [HOSTS[0], 'taken-back', 'www.example.com.pem: ERR_RUNTIME_REFUSED'],
      [HOSTS[1], 'untouched', ''],
      [HOSTS[2], 'untouched', ''],
    ],
  );
  assert.deepEqual(versions(), ['0.1.0', '0.1.0', '0.1.0']);
  const sent = aws.ssm.commands().map(({ values, invocations }) => [values['action'], invocations.length]);
  assert.deepEqual(sent, [
    [['upgrade'], 1],
    [['back'], 1],
  ]);
});

test('a release that was damaged in the bucket reaches no host', async (t) => {
  const { aws, upgrade, versions } = await startFleet(t, '0.1.0');
  const pointer = await release(t, aws, '0.2.0');
  for (const { sha256 } of Object.values(pointer.current.machines)) {
    aws.s3.write(bucketName, layout.agentTarball(sha256), 'something else');
  }

  const [canary] = await upgrade('0.2.0');

  assert.equal(canary?.state, 'taken-back');
  assert.match(canary?.why ?? '', /has the SHA-256 .*, wanted/);
  assert.deepEqual(versions(), ['0.1.0', '0.1.0', '0.1.0']);
});

test('three releases: a host that the last one never reached keeps its own, and not the one before that', async (t) => {
  const { aws, upgrade, versions } = await startFleet(t, '0.1.0');
  await release(t, aws, '0.2.0');
  await upgrade('0.2.0');
  const pointer = await release(t, aws, '0.3.0');
  for (const { sha256 } of Object.values(pointer.current.machines)) {
    aws.s3.write(bucketName, layout.agentTarball(sha256), 'something else');
  }

  const [canary] = await upgrade('0.3.0');

  assert.equal(canary?.state, 'taken-back');
  assert.deepEqual(versions(), ['0.2.0', '0.2.0', '0.2.0']);
});

test('a host whose upgrade still runs when another one fails is told to go back only after that', async () => {
  const { sent, results } = await upgradeTwo({ runsForMs: 120_000 });

  assert.deepEqual(sent, [
    ['upgrade', 0, ['i-0aaa', 'i-0bbb']],
    ['back', 120_000, ['i-0aaa', 'i-0bbb']],
  ]);
  assert.deepEqual(
    results.map(({ state }) => state),
    ['taken-back', 'taken-back'],
  );
});

test('a host whose upgrade never ends is not told to go back beside it, and is named', async () => {
  const { sent, results } = await upgradeTwo({ runsForMs: Number.POSITIVE_INFINITY });

  assert.deepEqual(
    sent.map(([action, , hosts]) => [action, hosts]),
    [
      ['upgrade', ['i-0aaa', 'i-0bbb']],
      ['back', ['i-0aaa']],
    ],
  );
  assert.deepEqual(
    results.map(({ state }) => state),
    ['taken-back', 'failed'],
  );
  assert.match(results[1]?.why ?? '', /the upgrade has not ended/);
});

test('back: the release before the current one is still in the bucket, and every host can have it', async (t) => {
  const { aws, upgrade, versions } = await startFleet(t, '0.1.0');
  await release(t, aws, '0.2.0');
  await upgrade('0.2.0');

  await upgrade('0.1.0');

  assert.deepEqual(versions(), ['0.1.0', '0.1.0', '0.1.0']);
});

test('parameters of the document reach no shell', () => {
  const { Content } = template.properties('PemfleetUpgradeDocument') as {
    Content: {
      parameters: Record<string, Record<string, string>>;
      mainSteps: { inputs: { runCommand: string[] } }[];
    };
  };
  const lines = Content.mainSteps.flatMap(({ inputs }) => inputs.runCommand).join('\n');

  assert.ok(!lines.includes('{{'), 'Systems Manager would interpolate it');
  assert.ok(Buffer.byteLength(JSON.stringify(Content)) < 64_000);
  for (const [name, { interpolationType, allowedPattern = '' }] of Object.entries(Content.parameters)) {
    assert.equal(interpolationType, 'ENV_VAR', name);
    for (const evil of ['$(reboot)', '0.2.0; reboot', '`id`', '0.2.0\nreboot']) {
      assert.ok(!new RegExp(allowedPattern).test(evil), `${name}: ${evil}`);
    }
  }
  assert.equal(spawnSync('sh', ['-n'], { input: lines }).status, 0);
});

test('without AWS: install.sh of a release upgrades a host, and --back takes it back', (t) => {
  const tree = tempDir(t);
  const [first, second] = ['0.1.0', '0.2.0'].map((version) => unpacked(t, version));

  install(String(first), tree);
  install(String(second), tree);
  assert.equal(versionIn(tree), '0.2.0');
  install(String(second), tree, '--back');

  assert.equal(versionIn(tree), '0.1.0');
});

test('the command: what it would do, as JSON, and what it needs to do it', async (t) => {
  const { aws, operator } = await startFleet(t, '0.1.0');
  await release(t, aws, '0.2.0');
  const file = join(tempDir(t), 'pemfleet.json');
  writeFileSync(file, JSON.stringify({ ...small, bucket: `s3://${bucketName}` }));
  const run = (...args: string[]) =>
    spawnSync(
      process.execPath,
      [resolve('dist/cli/index.mjs'), 'upgrade-agents', '--config', file, ...args],
      {
        env: { PATH: process.env['PATH'], ...operator.env, AWS_ENDPOINT_URL: aws.endpoint },
        encoding: 'utf8',
      },
    );
  // The stand-in is in this process, which spawnSync would stop: the words alone are judged here.
  const [noFleet, noDocument, noCanary] = [
    run(),
    run('--fleet', 'default'),
    run('--fleet', 'default', '--canary', '0'),
  ];

  assert.deepEqual([noFleet.status, noDocument.status, noCanary.status], [64, 64, 64]);
  assert.match(noFleet.stderr, /upgrade-agents wants --fleet NAME, saw undefined/);
  assert.match(noDocument.stderr, /set PEMFLEET_UPGRADE_DOCUMENT to the output UpgradeDocument of the stack/);
  assert.match(noCanary.stderr, /--canary wants a number of hosts, saw 0/);
});

/** A wave of two: the first host's upgrade fails at once, the other's runs on. */
async function upgradeTwo({ runsForMs }: { runsForMs: number }) {
  const wave = ['i-0aaa', 'i-0bbb'].map((host) => JSON.parse(statusAt(host, '0.1.0')) as ReadStatus);
  const sent: [action: string, atMs: number, hosts: readonly string[]][] = [];
  let clockMs = 0;
  const results = await upgradeAgents(
    { release: '0.2.0', waves: [wave], timeoutMs: 900_000 },
    {
      send: async ({ action, release: wanted }, hosts) => {
        assert.equal(wanted, '0.2.0');
        sent.push([action, clockMs, hosts]);
        return action;
      },
      endsOf: async (id) =>
        id === 'back'
          ? wave.map(({ host }) => ({ host, isOver: true }))
          : [
              { host: 'i-0aaa', isOver: true, failure: 'Failed: no room' },
              { host: 'i-0bbb', isOver: clockMs >= runsForMs },
            ],
      statusOf: async (host) => wave.find((status) => status.host === host),
      now: () => new Date(clockMs),
      sleep: async (ms) => {
        clockMs += ms;
      },
      onState: () => undefined,
    },
  );
  return { sent, results };
}

async function startFleet(t: TestContext, version: string) {
  const aws = await startBench(t);
  aws.s3.createBucket(bucketName);
  const content = template.properties('PemfleetUpgradeDocument')['Content'];
  aws.ssm.createDocument(documentName, JSON.stringify(content));
  const role = aws.role({ name: 'hosts', policies: template.policiesOf('Hosts') });
  const trees = new Map<string, string>();
  for (const [index, instanceId] of HOSTS.entries()) {
    const principal = aws.principal({ name: instanceId, role });
    const imds = await startImds({ principal: () => principal, instanceId });
    t.after(imds.stop);
    const tree = tempDir(t);
    install(unpacked(t, version), tree);
    const env = { DESTDIR: tree, AWS_ENDPOINT_URL: aws.endpoint, ...imds.env };
    aws.ssm.host({ instanceId, tags: { 'pemfleet:fleet': 'Pemfleet/default' }, cwd: tree, env });
    trees.set(instanceId, tree);
    assert.ok(index < 3);
  }
  // As docs/iam.md says of operators.
  const operator = aws.principal({
    name: 'operator',
    policies: [
      allow(['s3:GetObject', 's3:ListBucket'], '*'),
      operatorPolicy(documentName, 'Pemfleet/default'),
    ],
  });
  t.after(setEnv(operator.env));
  const bucket = await openBucket(`s3://${bucketName}`);
  await release(t, aws, version);
  /** Each agent reports which version it is; the broken one has lost a certificate. */
  const report = async () => {
    await aws.ssm.settled();
    for (const [host, tree] of trees) {
      aws.s3.write(bucketName, layout.status(fleet, hostName.parse(host)), statusOf(host, tree));
    }
  };
  await report();
  const statuses = async () => {
    const all = await Promise.all(
      (await listStatuses(bucket, fleet)).map((entry) => readHostStatus(bucket, entry)),
    );
    return all.filter((status): status is ReadStatus => status !== undefined && isReadable(status));
  };
  const command = new UpgradeCommand(documentName);
  let clockMs = Date.now();
  const upgrade = async (wanted: string) =>
    upgradeAgents(
      { release: wanted, waves: wavesOf(await statuses(), 1), timeoutMs: 900_000 },
      {
        send: (what, hosts) => command.send(what, hosts),
        endsOf: (id) => command.endsOf(id),
        statusOf: async (host) => (await statuses()).find((status) => status.host === host),
        now: () => new Date(clockMs),
        sleep: async (ms) => {
          clockMs += ms;
          await report();
        },
        onState: () => undefined,
      },
    );
  const versions = () => [...trees.values()].map(versionIn);
  return { aws, operator, statuses, upgrade, versions };
}

let reports = 0;

const statusOf = (host: string, tree: string) => statusAt(host, versionIn(tree));

function statusAt(host: string, version: string): string {
  reports += 1;
  const at = new Date(Date.now() + reports).toISOString();
  const file = { file: 'www.example.com.pem', certificate: 'www.example.com', since: at };
  const wanted = { sha256: '0'.repeat(64), serial: '01' };
  const state =
    version === BROKEN
      ? { state: 'failed', error: { code: 'ERR_RUNTIME_REFUSED', message: 'refused' } }
      : { state: 'served', provenAt: at };
  const agent = { version };
  return JSON.stringify({
    ...{ version: 1, fleet, host, reportedAt: at, agent, contract: 2, haproxy: [] },
    files: [{ ...file, wanted, ...state }],
  });
}

/** A release as `npm run release` leaves it, whose program knows its version. @returns the pointer */
async function release(t: TestContext, aws: Aws, version: string) {
  const folder = tempDir(t);
  const sums = ['x64', 'arm64'].map((arch) => {
    const name = `pemfleet-agent-${version}-linux-${arch}`;
    cpSync(unpacked(t, version), join(folder, name), { recursive: true });
    execFileSync('tar', ['-czf', join(folder, `${name}.tar.gz`), '-C', folder, name]);
    const body = readFileSync(join(folder, `${name}.tar.gz`));
    return `${createHash('sha256').update(body).digest('hex')}  ${name}.tar.gz\n`;
  });
  writeFileSync(join(folder, 'SHA256SUMS'), sums.join(''));
  return publishAgentRelease(await openWithoutSdk(`s3://${bucketName}`, aws.administrator.env), folder);
}

function unpacked(t: TestContext, version: string): string {
  const folder = join(tempDir(t), 'release');
  mkdirSync(folder);
  cpSync('agent/host', folder, { recursive: true });
  writeFileSync(join(folder, 'pemfleet-agent'), `#!/bin/sh\necho ${version}\n`, { mode: 0o755 });
  return folder;
}

function install(folder: string, tree: string, ...args: string[]): void {
  execFileSync('sh', [join(folder, 'install.sh'), ...args], {
    env: { PATH: process.env['PATH'], DESTDIR: tree },
    stdio: 'pipe',
  });
}

function versionIn(tree: string): string {
  const program = join(tree, 'usr/bin/pemfleet-agent');
  return existsSync(program) ? execFileSync(program, ['version'], { encoding: 'utf8' }).trim() : 'none';
}
