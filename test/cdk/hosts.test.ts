/** What a host gets: the cloud-init text and its scripts, the document of Systems Manager, the lines for HAProxy. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { machine } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { SendCommandCommand, SSMClient } from '@aws-sdk/client-ssm';
import { parse } from 'yaml';
import { layout } from '#contract/layout.ts';
import { NOTIFY_DOCUMENT } from '../../cdk/fleet/notify-document.ts';
import { functionUrlLines, snippetOf } from '../../lambda/challenge/haproxy-lines.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { allow, clientConfig, startBench } from '../aws/clients.ts';
import { startImds } from '../aws/imds.ts';
import { AwsFailure } from '../aws/wire.ts';
import { withLines } from '../support/agent/configs.ts';
import { makeAgentRelease } from '../support/parts/agent-release.ts';
import { haproxyVersions, startHaproxy } from '../support/parts/haproxy.ts';
import { freePort } from '../support/ports.ts';
import { PYTHON_CLOCK } from '../support/python-clock.ts';
import { makeTempDir, tempDir } from '../support/temp-dir.ts';
import { deployHost } from './cloud-init.ts';
import { REGION } from './deployed.ts';
import { assertSnapshot } from './snapshot.ts';
import { small, stackOf } from './stacks.ts';

const run = promisify(execFile);
const hostFile = (name: string) => fileURLToPath(new URL(`../../cdk/host/${name}`, import.meta.url));

test('cloud-init: settings, the scripts of cdk/host, and a unit that installs the agent, however long that takes', async () => {
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
  assert.deepEqual(runcmd.at(-1), ['systemctl', 'enable', '--now', 'pemfleet-install.service']);
  const unit = contentOf('/etc/systemd/system/pemfleet-install.service');
  const start = `ExecStart=/bin/sh /usr/lib/pemfleet/install-agent.sh https://[a-z0-9]+\\.s3\\.${REGION}\\.amazonaws\\.com ${REGION}\n`;
  assert.match(unit, new RegExp(start));
  assert.match(unit, /\nRestart=on-failure\n/);
  // Jinja would interpret anything else in these brackets.
  assert.deepEqual(new Set(text.match(/\{[{%#].*?[}%#]\}/g)), new Set(['{{ v1.instance_id }}']));
  assert.equal(spawnSync('sh', ['-n', hostFile('install-agent.sh')]).status, 0);
  // EC2 accepts no more.
  assert.ok(Buffer.byteLength(text) < 16_384, `${Buffer.byteLength(text)} bytes`);
});

test('two releases of the agent: the user data of a host is the same to the byte, and so are the rights of its role', () => {
  const hostOf = (more: string) => {
    const release = makeAgentRelease(more);
    const { cloudInit, policies } = deployHost({}, { agentRelease: release });
    return { sums: readFileSync(join(release, 'SHA256SUMS'), 'utf8'), cloudInit, policies };
  };
  const [one, two] = [hostOf('one'), hostOf('two')];

  assert.notEqual(one.sums, two.sums);
  assert.equal(one.cloudInit, two.cloudInit);
  assert.deepEqual(one.policies, two.policies);
});

test('snapshot: the cloud-init text, which test/install runs', () => {
  assertSnapshot('user-data.yaml', deployHost().cloudInit);
});

test('construct: hosts without a release of the agent', () => {
  const { pemfleet } = stackOf(small, { agentRelease: '/nonexistent' }).stack;

  assert.throws(
    () => pemfleet.userData('default'),
    /SHA256SUMS is missing: hosts need the agent's tarballs. Set agentRelease to the folder/,
  );
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
  const { aws, destination, fetchAgent, digest } = await startHost(t);

  await assert.rejects(fetchAgent('0.0.9'), /wanted the release 0\.0\.9, the bucket has 0\.2\.0, 0\.1\.0/);
  await fetchAgent('current');
  assert.equal(await readFile(destination, 'utf8'), PROGRAM);
  await fetchAgent('0.1.0');
  aws.s3.write('certificates', layout.agentTarball(digest), 'other bytes');
  await assert.rejects(fetchAgent('current'), /has the SHA-256 .*, wanted [0-9a-f]{64}/);

  assert.deepEqual(
    aws.calls.filter(({ status }) => status !== 200),
    [],
  );
});

test('fetch-agent.py: a metadata service that knows no role for two minutes, then rights that come late: the agent comes', async (t) => {
  const { aws, destination, fetchAgent, clock } = await startHost(t, { roleAfter: 120 });
  aws.fault({ service: 's3', times: 2 }, { refuse: new AwsFailure(403, 'AccessDenied', 'Access Denied') });

  const { stderr } = await fetchAgent('current');

  assert.equal(await readFile(destination, 'utf8'), PROGRAM);
  assert.match(stderr, /HTTP status 404 .*; again in 30 s/);
  assert.match(stderr, /HTTP status 403 /);
  assert.ok(clock() >= 120, `${clock()}`);
});

test('fetch-agent.py: gives up after ten minutes, and the unit starts it again', async (t) => {
  const { fetchAgent, clock } = await startHost(t, { roleAfter: Number.POSITIVE_INFINITY });

  await assert.rejects(fetchAgent('current'), /fetch-agent: HTTP status 404/);

  assert.ok(clock() > 500 && clock() <= 600, `${clock()}`);
});

for (const [who, key] of [
  ['a pointer', layout.agentRelease],
  ['metadata', undefined],
] as const) {
  test(`fetch-agent.py: ${who} nested to any depth is tried again, and ends with one line`, async (t) => {
    const { aws, fetchAgent, clock } = await startHost(t);
    const deep = '['.repeat(60_000);
    const metadata = createServer(({ url }, response) =>
      response.end(url?.endsWith('/role') ? deep : 'role'),
    );
    metadata.listen(0, '127.0.0.1');
    await once(metadata, 'listening');
    t.after(() => metadata.close());
    if (key !== undefined) aws.s3.write('certificates', key, deep);
    const { port } = metadata.address() as AddressInfo;
    const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${port}` };

    await assert.rejects(fetchAgent('current', key === undefined ? env : {}), (error: { stderr: string }) => {
      assert.match(error.stderr, /^(fetch-agent: [^\n]{1,200}\n)+$/);
      assert.doesNotMatch(error.stderr, /Traceback/);
      return true;
    });

    assert.ok(clock() > 500, `${clock()}`);
  });
}

test("fetch-agent.py: of a bucket with a dot in its name, the host that it asks is one of S3's certificate", async (t) => {
  const { env } = await startHost(t);
  for (const [bucket, host] of [
    ['https://certs.example.com.s3.eu-central-1.amazonaws.com', 's3.eu-central-1.amazonaws.com:443'],
    ['https://certificates.s3.eu-central-1.amazonaws.com', 'certificates.s3.eu-central-1.amazonaws.com:443'],
  ]) {
    const proxy = createServer();
    const asked = once(proxy, 'connect');
    // The program tries again until it is killed, and then resets its connection.
    proxy.on('connect', (_, socket) =>
      socket.on('error', () => undefined).end('HTTP/1.1 502 Bad Gateway\r\n\r\n'),
    );
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    t.after(() => proxy.close());
    const httpsProxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const words = [hostFile('fetch-agent.py'), String(bucket), REGION, 'current', '/nonexistent'];

    const child = execFile('python3', words, { env: { ...env, https_proxy: httpsProxy, no_proxy: '' } });
    t.after(() => child.kill());

    const [request] = await asked;
    assert.equal(request.url, host);
  }
});

test('fetch-agent.py: a redirect is not followed, so that credentials go nowhere else', async (t) => {
  const { fetchAgent } = await startHost(t);
  const asked: string[] = [];
  const elsewhere = createServer((request, response) => {
    asked.push(String(request.headers.authorization ?? request.headers['x-aws-ec2-metadata-token']));
    response.end('{}');
  });
  elsewhere.listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  t.after(() => elsewhere.close());
  const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`;
  const redirecting = createServer((_, response) => response.writeHead(307, { location }).end());
  redirecting.listen(0, '127.0.0.1');
  await once(redirecting, 'listening');
  t.after(() => redirecting.close());
  const { port } = redirecting.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;

  await assert.rejects(fetchAgent('current', { AWS_ENDPOINT_URL: endpoint }), /HTTP status 307/);
  await assert.rejects(
    fetchAgent('current', { AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint }),
    /HTTP status 307/,
  );

  assert.deepEqual(asked, []);
});

for (const where of ['headers', 'body']) {
  test(`fetch-agent.py: an answer that drips in its ${where} ends in time`, async (t) => {
    const { directory, env } = await startHost(t);
    const start = { headers: 'HTTP/1.1 200 OK\r\nx: ', body: 'HTTP/1.1 200 OK\r\n\r\n' }[where] ?? '';
    const server = createTcp((socket) => {
      socket.write(start);
      const drip = setInterval(() => socket.write('x'), 100);
      socket.on('error', () => undefined).on('close', () => clearInterval(drip));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const script = join(directory, 'fetch.py');
    const whole = await readFile(hostFile('fetch-agent.py'), 'utf8');
    const brief = whole
      .replace(/^SECONDS = 30$/m, 'SECONDS = 1')
      .replace('FOR_SECONDS = 600', 'FOR_SECONDS = 1');
    await writeFile(script, brief);
    const args = [
      script,
      'https://b.s3.eu-central-1.amazonaws.com',
      'eu-central-1',
      'current',
      '/nonexistent',
    ];
    const options = { env: { ...env, AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint }, timeout: 20_000 };

    await assert.rejects(run('python3', args, options), (error: { stderr: string }) => {
      assert.match(error.stderr, /^fetch-agent: .*no whole answer in time.*\n$/);
      return true;
    });
  });
}

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
    const reload = 'systemctl reload pemfleet-agent.service';
    assert.equal(told, isActive ? reload : 'pemfleet-agent sync');
  });
}

for (const version of haproxyVersions) {
  test(`HAProxy ${version} accepts the lines for a Lambda URL, even if its name cannot be resolved`, async (t) => {
    const port = await freePort();
    const snippet = snippetOf(functionUrlLines('abc.lambda-url.eu-central-1.on.aws', true));
    const configText = withLines(snippet, port);
    assert.match(snippet, /set-header x-pemfleet-secret %\[env\(PEMFLEET_RESPONDER_SECRET\)\]/);

    const haproxy = await startHaproxy({ version, configText });
    t.after(() => haproxy.stop());

    const { status, headers } = await fetch(`http://127.0.0.1:${port}/`, { redirect: 'manual' });
    assert.deepEqual([status, headers.get('location')], [301, `https://127.0.0.1:${port}/`]);
  });
}

const PROGRAM = 'the agent of 0.2.0\n';

/** An instance whose bucket has two releases. @param roleAfter seconds until the metadata service knows its role */
async function startHost(t: TestContext, { roleAfter = 0 } = {}) {
  const aws = await startBench(t);
  const bucket = 'certificates';
  aws.s3.createBucket(bucket);
  const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');
  const releaseOf = (release: string, text: string) => {
    aws.s3.write(bucket, layout.agentTarball(digestOf(text)), text);
    return { release, machines: { [machine()]: { sha256: digestOf(text), size: text.length } } };
  };
  const pointer = {
    current: releaseOf('0.2.0', PROGRAM),
    previous: releaseOf('0.1.0', 'the former agent\n'),
  };
  aws.s3.write(bucket, layout.agentRelease, JSON.stringify({ version: 1, ...pointer }));
  const role = aws.role({
    name: 'hosts',
    policies: [allow('s3:GetObject', `arn:aws:s3:::${bucket}/agent/*`)],
  });
  const principal = aws.principal({ name: 'i-0aaa', role });
  const directory = tempDir(t);
  // Python's own time, in the test's hand: it sleeps no moment and counts the seconds.
  const seconds = join(directory, 'seconds');
  await writeFile(seconds, '0');
  await writeFile(join(directory, 'sitecustomize.py'), PYTHON_CLOCK);
  const clock = () => Number(readFileSync(seconds, 'utf8'));
  const imds = await startImds({ principal: () => (clock() >= roleAfter ? principal : undefined) });
  t.after(imds.stop);
  const destination = join(directory, 'agent.tar.gz');
  const env = { ...process.env, ...imds.env };
  const fetchAgent = (wanted: string, more: Record<string, string> = {}) =>
    run(
      'python3',
      [
        hostFile('fetch-agent.py'),
        `https://${bucket}.s3.${aws.region}.amazonaws.com`,
        aws.region,
        wanted,
        destination,
      ],
      {
        env: {
          ...env,
          AWS_ENDPOINT_URL: aws.endpoint,
          PYTHONPATH: directory,
          CLOCK: seconds,
          ...more,
        },
      },
    );
  return { aws, directory, destination, env, fetchAgent, clock, digest: digestOf(PROGRAM) };
}

async function fake(directory: string, name: string, script: string): Promise<void> {
  const file = join(directory, name);
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}
