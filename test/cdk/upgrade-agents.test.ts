/**
 * `pemfleet upgrade-agents` on a fleet of three in the stand-in of AWS: the stack's own document with its scripts, run by each host under the role
 * of the template, the release in the bucket, and installers. systemd and HAProxy are not here: the test reports for the agents.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { upgradeAgents } from '../../lambda/agents/upgrade.ts';
import { readTrail } from '../../lambda/audit/read.ts';
import type { ReadStatus } from '../../lambda/fleet/read-status.ts';
import { fleet } from '../support/agent/host.ts';
import { tempDir } from '../support/temp-dir.ts';
import { small } from './stacks.ts';
import {
  BROKEN,
  bucketName,
  documentName,
  HOSTS,
  install,
  startFleet,
  statusAt,
  template,
  unpacked,
  versionIn,
} from './upgrade-fleet.ts';

test('a fleet of three: the canary first, proved by its report, then the others; a second time nothing is to do', async (t) => {
  const { statuses, upgrade, versions, publish } = await startFleet(t, '0.1.0');
  await publish('0.2.0');

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
  const { aws, upgrade, versions, publish } = await startFleet(t, '0.1.0');
  await publish(BROKEN);

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
  const { aws, upgrade, versions, publish } = await startFleet(t, '0.1.0');
  const pointer = await publish('0.2.0');
  for (const { sha256 } of Object.values(pointer.current.machines)) {
    aws.s3.write(bucketName, layout.agentTarball(sha256), 'something else');
  }

  const [canary] = await upgrade('0.2.0');

  assert.equal(canary?.state, 'taken-back');
  assert.match(canary?.why ?? '', /has the SHA-256 .*, wanted/);
  assert.deepEqual(versions(), ['0.1.0', '0.1.0', '0.1.0']);
});

test('three releases: a host that the last one never reached keeps its own, and not the one before that', async (t) => {
  const { aws, upgrade, versions, publish } = await startFleet(t, '0.1.0');
  await publish('0.2.0');
  await upgrade('0.2.0');
  const pointer = await publish('0.3.0');
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
  const { upgrade, versions, publish } = await startFleet(t, '0.1.0');
  await publish('0.2.0');
  await upgrade('0.2.0');

  await upgrade('0.1.0');

  assert.deepEqual(versions(), ['0.1.0', '0.1.0', '0.1.0']);
});

test('a document that a deployment changes meanwhile: all waves and the way back run the version that the canary has proved', async (t) => {
  const { aws, upgrade, versions, publish } = await startFleet(t, '0.1.0');
  await publish('0.2.0');
  const { Content } = template.properties('PemfleetUpgradeDocument') as { Content: object };
  const changed = JSON.stringify(Content).replace('set -eu', 'set -eu; exit 1');
  aws.ssm.createDocument(documentName, JSON.stringify(Content));

  const results = await upgrade('0.2.0', () => aws.ssm.createDocument(documentName, changed));

  assert.deepEqual(
    results.map(({ state }) => state),
    ['upgraded', 'upgraded', 'upgraded'],
  );
  assert.deepEqual(versions(), ['0.2.0', '0.2.0', '0.2.0']);
});

test('the command stops a broken release at the canary, exits with 1, and the audit trail tells both', async (t) => {
  const { bucket, pemfleet, publish, versions } = await startFleet(t, '0.1.0');
  await publish(BROKEN);

  const { status, stdout, stderr } = await pemfleet('upgrade-agents', '--fleet', fleet, '--reason', 'CHG-7');

  assert.equal(status, 1, stderr);
  assert.match(
    stdout,
    /^i-0aaaaaaaaaaaaaaa1: taken-back: www\.example\.com\.pem: ERR_RUNTIME_REFUSED\n(\S+: untouched\n){2}$/,
  );
  assert.deepEqual(versions(), ['0.1.0', '0.1.0', '0.1.0']);
  const { lines } = await readTrail(bucket);
  assert.deepEqual(
    lines.map(({ action, fleet: of, reason }) => [action, of, reason]),
    [
      ['agents-upgrade-began', fleet, `agent ${BROKEN} for 3 hosts, by version 1 of ${documentName}: CHG-7`],
      [
        'agents-upgrade-stopped',
        fleet,
        `agent ${BROKEN}: 1 taken-back, 2 untouched; ${HOSTS[0]}: www.example.com.pem: ERR_RUNTIME_REFUSED: CHG-7`,
      ],
    ],
  );
  assert.match(lines[0]?.command ?? '', /^pemfleet upgrade-agents /);
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
  const { aws, operator, publish } = await startFleet(t, '0.1.0');
  await publish('0.2.0');
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
