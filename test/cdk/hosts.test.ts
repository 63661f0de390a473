/** What a host gets: the cloud-init text and its scripts, the document of Systems Manager, the lines for HAProxy. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { SendCommandCommand, SSMClient } from '@aws-sdk/client-ssm';
import { parse } from 'yaml';
import { NOTIFY_DOCUMENT } from '../../cdk/fleet/notify-document.ts';
import { functionUrlSnippet } from '../../lambda/challenge/haproxy-lines.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { allow, clientConfig, s3Of, startBench } from '../aws/clients.ts';
import { startImds } from '../aws/imds.ts';
import { withLines } from '../support/agent/configs.ts';
import { haproxyVersions, startHaproxy } from '../support/parts/haproxy.ts';
import { freePort } from '../support/ports.ts';
import { makeTempDir, tempDir } from '../support/temp-dir.ts';
import { deployHost } from './cloud-init.ts';
import { REGION } from './deployed.ts';
import { assertSnapshot } from './snapshot.ts';
import { agentRelease, small, stackOf } from './stacks.ts';

const run = promisify(execFile);
const hostFile = (name: string) => fileURLToPath(new URL(`../../cdk/host/${name}`, import.meta.url));

test('cloud-init: settings, the scripts of cdk/host, and a release for each architecture', async () => {
  const text = deployHost({ settings: { pollInterval: 30 } }).cloudInit;
  const { write_files: files, runcmd } = parse(text) as {
    write_files: { path: string; content: string }[];
    runcmd: string[][];
  };
  const contentOf = (path: string) => files.find((file) => file.path === path)?.content ?? '';

  assert.ok(text.startsWith('## template: jinja\n#cloud-config\n'));
  const settings = parse(contentOf('/etc/pemfleet/agent.yaml'));
  assert.deepEqual(
    [settings.fleet, settings.host, settings.pollInterval],
    ['edge', '{{ v1.instance_id }}', 30],
  );
  assert.match(settings.bucket, /^s3:\/\/.+\?region=.+&writer=\{\{ v1\.instance_id \}\}$/);
  for (const name of ['fetch-agent.py', 'install-agent.sh']) {
    assert.equal(contentOf(`/usr/lib/pemfleet/${name}`), await readFile(hostFile(name), 'utf8'));
  }
  const [, , region, ...choices] = runcmd[0] ?? [];
  assert.equal(region, REGION);
  assert.deepEqual([choices[0], choices[3], choices.length], ['x86_64', 'aarch64', 6]);
  const sums = await readFile(join(agentRelease, 'SHA256SUMS'), 'utf8');
  assert.deepEqual(
    [choices[2], choices[5]],
    sums.split('\n', 2).map((line) => line.split(' ')[0]),
  );
  assert.match(String(choices[1]), /^https:\/\/cdk-[^/]+\.s3\.eu-central-1\.amazonaws\.com\/[0-9a-f]{64}\./);
  // Jinja would interpret anything else in these brackets.
  assert.deepEqual(new Set(text.match(/\{[{%#].*?[}%#]\}/g)), new Set(['{{ v1.instance_id }}']));
  assert.equal(spawnSync('sh', ['-n', hostFile('install-agent.sh')]).status, 0);
  // EC2 accepts no more.
  assert.ok(Buffer.byteLength(text) < 16_384, `${Buffer.byteLength(text)} bytes`);
});

test('snapshot: the cloud-init text, which test/install runs', () => {
  assertSnapshot('user-data.yaml', deployHost().cloudInit);
});

test('construct: hosts without a release of the agent', () => {
  const { pemfleet } = stackOf(small, { agentRelease: '/nonexistent' }).stack;

  assert.throws(() => pemfleet.userData('default'), /SHA256SUMS is missing: run "npm run build:agent" first/);
});

test('construct: a release of a different version or content goes to no host', () => {
  const digest = '0'.repeat(64);
  const hostsOf = (name: string) => {
    const { path } = makeTempDir();
    writeFileSync(join(path, name), 'other bytes');
    writeFileSync(join(path, 'SHA256SUMS'), `${digest}  ${name}\n`);
    return () => stackOf(small, { agentRelease: path }).stack.pemfleet.userData('default');
  };

  assert.throws(
    hostsOf('pemfleet-agent-0.0.1-linux-x64.tar.gz'),
    /is not of version .*: run "npm run build:agent"/,
  );
  assert.throws(hostsOf(`pemfleet-agent-${packageJson.version}-linux-x64.tar.gz`), /has the SHA-256 [^0]/);
  assert.throws(hostsOf('README'), /names no tarball of the agent/);
});

test('fetch-agent.py: signs with the instance role, refuses a different digest', async (t) => {
  const { aws, imds, directory } = await startHost(t);
  const url = `${aws.endpoint}/assets/agent.mjs`;
  const destination = join(directory, 'agent.mjs');
  const fetchAgent = (address: string, sha256: string) =>
    run('python3', [hostFile('fetch-agent.py'), address, aws.region, sha256, destination], {
      env: { ...process.env, ...imds.env },
    });
  const digest = createHash('sha256').update(PROGRAM).digest('hex');

  await assert.rejects(fetchAgent(url, '0'.repeat(64)), /has the SHA-256 .*, wanted 0000/);
  await assert.rejects(readFile(destination), /ENOENT/);
  await assert.rejects(fetchAgent(`${aws.endpoint}/assets/other.mjs`, digest), /403/);
  await fetchAgent(url, digest);

  assert.equal(await readFile(destination, 'utf8'), PROGRAM);
});

for (const isActive of [true, false]) {
  test(`document: ${isActive ? 'a running agent polls' : 'without a service a pass runs'}`, async (t) => {
    const { aws, directory } = await startHost(t);
    await fake(
      directory,
      'systemctl',
      `echo "systemctl $*" >> log; [ "$1" != is-active ] || exit ${isActive ? 0 : 3}`,
    );
    await fake(directory, 'pemfleet-agent', 'echo "pemfleet-agent $*" >> log');
    await fake(directory, 'id', '[ "$1" = -u ] && echo 1000');
    aws.ssm.createDocument('Notify', JSON.stringify(NOTIFY_DOCUMENT));
    const env = { PATH: `${directory}:/usr/bin:/bin` };
    aws.ssm.host({ instanceId: 'i-0aaa', tags: { 'pemfleet:fleet': 'default' }, cwd: directory, env });
    const ssm = new SSMClient(clientConfig(aws, aws.administrator));
    const send = (fleet: string, manifest: string) =>
      ssm.send(
        new SendCommandCommand({
          DocumentName: 'Notify',
          Targets: [{ Key: 'tag:pemfleet:fleet', Values: ['default'] }],
          Parameters: { fleet: [fleet], manifest: [manifest] },
        }),
      );

    await assert.rejects(send('default; reboot', '"0a"'), { name: 'InvalidParameters' });
    await assert.rejects(send('default', '$(reboot)'), { name: 'InvalidParameters' });
    await send('default', '"0a"');
    await aws.ssm.settled();

    const told = (await readFile(join(directory, 'log'), 'utf8')).trim().split('\n').at(-1);
    const kill = 'systemctl kill --signal=HUP pemfleet-agent.service';
    assert.equal(told, isActive ? kill : 'pemfleet-agent sync');
  });
}

for (const version of haproxyVersions) {
  test(`HAProxy ${version} accepts the lines for a Lambda URL, even if its name cannot be resolved`, async (t) => {
    const port = await freePort();
    const snippet = functionUrlSnippet('abc.lambda-url.eu-central-1.on.aws');
    const configText = withLines(snippet, port);

    const haproxy = await startHaproxy({ version, configText });
    t.after(() => haproxy.stop());

    const { status, headers } = await fetch(`http://127.0.0.1:${port}/`, { redirect: 'manual' });
    assert.deepEqual([status, headers.get('location')], [301, `https://127.0.0.1:${port}/`]);
  });
}

const PROGRAM = 'console.log("the agent");\n';

async function startHost(t: TestContext) {
  const aws = await startBench(t);
  aws.s3.createBucket('assets');
  await s3Of(aws).send(new PutObjectCommand({ Bucket: 'assets', Key: 'agent.mjs', Body: PROGRAM }));
  const role = aws.role({
    name: 'hosts',
    policies: [allow('s3:GetObject', 'arn:aws:s3:::assets/agent.mjs')],
  });
  const principal = aws.principal({ name: 'i-0aaa', role });
  const imds = await startImds({ principal: () => principal });
  t.after(imds.stop);
  const directory = tempDir(t);
  return { aws, imds, directory };
}

async function fake(directory: string, name: string, script: string): Promise<void> {
  const file = join(directory, name);
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}
