// A host from its first boot to the agent's removal: the construct's own user data, run by cloud-init in a Debian 12 with systemd
// as process 1, HAProxy 2.6, and neither Node nor an AWS command line. The tests are the chapters of one life, in order.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseHostStatus } from '#contract/host-status.ts';
import { hostName, layout } from '#contract/layout.ts';
import { assertSnapshot } from '../cdk/snapshot.ts';
import { fleet } from '../support/agent/host.ts';
import { serialOf } from '../support/agent/publish.ts';
import { until } from '../support/process.ts';
import { watchArguments } from './arguments.ts';
import { type Cloud, INSTANCE, startCloud } from './cloud.ts';
import { FORBIDDEN, restrictionsOf, underUnit } from './under-unit.ts';

const SERVED_MS = 120_000;
let cloud: Cloud;
before(async () => {
  cloud = await startCloud();
});
after(() => cloud?.stop());

const exec = (command: string, ...args: string[]) => cloud.machine.exec(command, ...args);
const shell = (script: string) => exec('sh', '-c', script);
const propertyOf = async (unit: string, property: string) =>
  (await exec('systemctl', 'show', '--value', '--property', property, unit)).trim();
const journal = () => exec('journalctl', '--no-pager', '--output=cat', '--unit=pemfleet-agent.service');

async function isServed(name: string, pem: string): Promise<void> {
  const isRight = async () => (await cloud.handshake(name)).serial === serialOf(pem);
  await until(isRight, () => undefined, SERVED_MS).catch(async (error: Error) => {
    throw new Error(`${name} is not served: ${await journal()}`, { cause: error });
  });
}

test('first boot: cloud-init installs the agent by the text of the construct, and HAProxy serves', async (t) => {
  assertSnapshot('user-data.yaml', cloud.cloudInit);
  const pem = await cloud.publish('shop', { names: ['shop.test'] });
  const watch = watchArguments();
  t.after(watch.stop);

  const errors = await cloud.machine.boot();
  assert.deepEqual(errors, [], await shell('cat /var/log/cloud-init-output.log || true'));

  await isServed('shop.test', pem);
  // cloud-init starts the installation and does not wait for it; the agent is ready when its first report is written.
  const isOver = async () =>
    /^inactive|^failed/.test(await propertyOf('pemfleet-install.service', 'ActiveState'));
  await until(isOver, () => undefined, SERVED_MS);
  assert.equal(await propertyOf('pemfleet-install.service', 'Result'), 'success');
  assert.equal(await shell('command -v node npm aws curl || true'), '');
  assert.equal(await propertyOf('pemfleet-agent.service', 'ActiveState'), 'active');
  assert.equal(await propertyOf('pemfleet-agent-first.service', 'UnitFileState'), 'enabled');
  assert.equal(
    await shell('ls /usr/lib/pemfleet'),
    'alarm.sh\nback.sh\nfetch-agent.py\ninstall-agent.sh\ninstall-release.sh\nuninstall.sh\n',
  );
  const { secretAccessKey, sessionToken = '' } = cloud.principal.credentials;
  const seen = watch.stop();
  assert.ok(
    seen.some((line) => line.includes('fetch-agent.py')),
    'the watch has seen the scripts',
  );
  for (const line of seen) assert.ok(!line.includes(secretAccessKey) && !line.includes(sessionToken), line);
  assert.equal(
    await shell(`grep -rlF -e '${secretAccessKey}' -e '${sessionToken}' /var/log /run/log /etc || true`),
    '',
  );
});

test('on the way: the role was refused nothing, the metadata service gave nothing without a token', () => {
  const own = cloud.aws.calls.filter(({ principal }) => principal === cloud.principal.arn);

  const operations = [...new Set(own.map(({ operation }) => operation))].sort();
  assert.deepEqual(operations, ['GetObject', 'GetParameter', 'PutObject']);
  assert.deepEqual(
    own.filter(({ status }) => ![200, 304].includes(status)),
    [],
  );
  assert.equal(cloud.imds.requests[0], 'PUT /latest/api/token 200');
  assert.deepEqual(
    cloud.imds.requests.filter((line) => !line.endsWith(' 200')),
    [],
  );
});

test('the host status is that of the instance', () => {
  const states = hostStatus().files.map(({ state }) => state);

  assert.deepEqual(states, ['served']);
});

test('the service has its own user, no rights, and a file system that it cannot write to', async () => {
  assert.deepEqual(
    await restrictionsOf(cloud.machine, await propertyOf('pemfleet-agent.service', 'MainPID')),
    {
      user: 'pemfleet',
      groups: ['haproxy', 'pemfleet'],
      capabilities: ['0000000000000000', '0000000000000000', '0000000000000000'],
      noNewPrivileges: '1',
      seccomp: '2',
      writable: ['/etc/haproxy/certs', '/var/lib/pemfleet-agent'],
    },
  );
});

test('under the restrictions of its unit the agent does all its work', async () => {
  const command = (words: string) => underUnit(cloud.machine, `/usr/bin/pemfleet-agent ${words}`);
  const renewed = await cloud.publish('shop', { names: ['shop.test', 'www.shop.test'] });

  const sync = await command('sync');
  assert.equal(sync.status, 0, sync.output);
  await isServed('www.shop.test', renewed);
  const status = await command('status');
  assert.match(status.output, /shop\S*\s.*served/);
  const doctor = await command('doctor --json');
  const { findings } = JSON.parse(doctor.output) as { findings: { id: string }[] };
  // Nobody keeps the clock of a container, and the image's configuration is readable.
  assert.deepEqual(
    findings.map(({ id }) => id),
    ['clock-unsynchronized'],
    doctor.output,
  );
});

test('under the restrictions of its unit nothing else can be done', async () => {
  for (const [script, why] of FORBIDDEN) {
    const { status, output } = await underUnit(cloud.machine, `/bin/sh -c "${script}"`);
    assert.notEqual(status, 0, `${script}: ${output}`);
    assert.match(output, why, script);
  }
});

test('a resident agent that is told polls, and installs what came', async () => {
  const pem = await cloud.publish('blog', { names: ['blog.test'] });

  await exec('systemctl', 'reload', 'pemfleet-agent.service');

  await isServed('blog.test', pem);
});

test('another digest: nothing is changed', async () => {
  const state = () => shell('sha256sum /usr/bin/pemfleet-agent; systemctl show -p MainPID pemfleet-agent');
  const before = await state();
  const bucket = /bucket: "?s3:\/\/([^?]+)/.exec(cloud.cloudInit)?.[1] ?? '';
  const pointer = cloud.aws.s3.text(bucket, layout.agentRelease) ?? '';
  cloud.aws.s3.write(bucket, layout.agentRelease, pointer.replaceAll(/[0-9a-f]{64}/g, '0'.repeat(64)));
  cloud.aws.s3.write(bucket, layout.agentTarball('0'.repeat(64)), 'not the agent');

  await assert.rejects(
    asOperator([...cloud.installCommand, 'current']),
    /has the SHA-256 [0-9a-f]{64}, wanted 0{64}/,
  );

  cloud.aws.s3.write(bucket, layout.agentRelease, pointer);

  assert.equal(await state(), before);
  assert.equal(
    await shell('ls /usr/lib/pemfleet'),
    'alarm.sh\nback.sh\nfetch-agent.py\ninstall-agent.sh\ninstall-release.sh\nuninstall.sh\n',
  );
});

test('upgrade: the agent starts anew, settings stay, HAProxy notices nothing', async () => {
  const pids = async () => [
    await propertyOf('pemfleet-agent', 'MainPID'),
    await propertyOf('haproxy', 'MainPID'),
  ];
  const settings = await shell('cat /etc/pemfleet/agent.yaml');
  const [agent, haproxy] = await pids();

  await asOperator([...cloud.installCommand, 'current']);

  const [agentAfter, haproxyAfter] = await pids();
  assert.notEqual(agentAfter, agent);
  assert.equal(haproxyAfter, haproxy);
  assert.equal(await shell('cat /etc/pemfleet/agent.yaml'), settings);
});

test('the next boot, with the bucket out of reach: HAProxy starts with what is on disk', async () => {
  await cloud.machine.shutDown();
  assert.ok(
    hostStatus().leftAt,
    'a machine that shuts down reports its departure, also under these restrictions',
  );
  const lift = cloud.aws.fault({ service: 's3' }, { before: 'reset' });

  await cloud.machine.boot();

  assert.ok((await cloud.handshake('blog.test')).serial);
  assert.equal(await propertyOf('pemfleet-agent-first.service', 'ActiveState'), 'active');
  assert.match(await shell('journalctl -b -o cat -u pemfleet-agent-first'), /event=boot\.last-good/);
  lift();
});

test('uninstall --purge: a last report, no agent, and HAProxy serves on', async () => {
  await shell('systemctl reload pemfleet-agent');
  const isBack = async () => hostStatus().leftAt === undefined;
  await until(isBack, () => undefined, 60_000);

  await asOperator(['/usr/lib/pemfleet/uninstall.sh', '--purge']);

  assert.ok(hostStatus().leftAt);
  assert.ok((await cloud.handshake('blog.test')).serial);
  assert.equal(await propertyOf('pemfleet-agent.service', 'LoadState'), 'not-found');
  const left =
    'ls -d /usr/bin/pemfleet-agent /usr/lib/pemfleet /etc/pemfleet /var/lib/pemfleet-agent 2>/dev/null || true';
  assert.equal(await shell(left), '');
  assert.equal(await shell('ls /etc/haproxy/certs'), 'blog.pem\nshop.pem\n');
});

function hostStatus() {
  const bucket = /bucket: "?s3:\/\/([^?]+)/.exec(cloud.cloudInit)?.[1] ?? '';
  const host = hostName.parse(INSTANCE);
  const body = cloud.aws.s3.text(bucket, layout.status(fleet, host)) ?? '';
  return parseHostStatus(fleet, host, Buffer.from(body));
}

/** By hand, with the environment that the units have by their drop-ins. */
function asOperator([command = '', ...args]: readonly string[]): Promise<string> {
  const env = Object.entries({ AWS_ENDPOINT_URL: cloud.aws.endpoint, ...cloud.imds.env });
  return exec('env', ...env.map(([name, value]) => `${name}=${value}`), command, ...args);
}
