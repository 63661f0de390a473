/** The examples of docs/examples.md that this machine can run, as they stand there. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { openBucket } from '#storage/open.ts';
import { startAws } from '../aws/aws.ts';
import { programPath } from '../setup.mjs';
import { fleet } from '../support/agent/host.ts';
import { publisher } from '../support/agent/publish.ts';
import { giveTo, openContainers } from '../support/containers.ts';
import { handshake } from '../support/handshake.ts';
import { startDns } from '../support/parts/dns.ts';
import { startHaproxy } from '../support/parts/haproxy.ts';
import { startPebble } from '../support/parts/pebble.ts';
import { createPki } from '../support/parts/pki.ts';
import { freePort } from '../support/ports.ts';
import { startPart, until } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { finish } from './finish.ts';

const run = promisify(execFile);
const USER = '99:99';
const program = (name: string) => fileURLToPath(new URL(`../../dist/${name}/index.mjs`, import.meta.url));

/** Names of the certificate that HAProxy's shared socket hands out. */
async function servedAt(path: string, servername: string): Promise<string | undefined> {
  const socket = connect({ path, servername, rejectUnauthorized: false });
  socket.setTimeout(10_000, () => socket.destroy(new Error('no handshake within 10 s')));
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().subjectaltname;
  } finally {
    socket.destroy();
  }
}

/** What the example leaves to its reader. */
function fill(file: string, changes: Readonly<Record<string, string>>): void {
  let text = readFileSync(file, 'utf8');
  for (const [from, to] of Object.entries(changes)) {
    assert.ok(text.includes(from), `${file}: ${from}`);
    text = text.replaceAll(from, to);
  }
  writeFileSync(file, text);
}

test('example: HAProxy in a container starts with a placeholder, and the agent beside it loads a certificate without a reload', async (t) => {
  const dir = tempDir(t);
  cpSync('docs/examples/container', dir, { recursive: true });
  const bucketDir = join(dir, 'bucket');
  const directory = (name: string) => join(dir, name);
  fill(join(dir, 'agent.yaml'), {
    's3://certificates?endpoint=https://s3.example.com&region=us-east-1': 'file:///bucket',
    'fleet: edge': `fleet: ${fleet}`,
  });
  fill(join(dir, 'compose.yaml'), { '--wait=30': '--wait=1' });
  giveTo(USER, bucketDir, ...['certs', 'run', 'state'].map(directory));
  const agentFile = join(dir, 'pemfleet-agent');
  writeFileSync(agentFile, "#!/opt/node\nimport('/opt/agent/index.mjs');\n", { mode: 0o755 });
  const haproxyDir = realpathSync(dirname(dirname(programPath('haproxy-3.2'))));
  const containers = openContainers(join(dir, 'compose.yaml'), {
    mounts: [
      ...[`${bucketDir}:/bucket`, `${haproxyDir}:${haproxyDir}:ro`],
      ...[`${resolve('dist/agent')}:/opt/agent:ro`, `${process.execPath}:/opt/node:ro`],
    ],
    sources: { '/usr/bin/pemfleet-agent': agentFile },
  });
  const { services, wordsOf } = containers;
  const start = async (name: string, command: readonly string[], probe: () => Promise<boolean>) => {
    const [word, ...args] = wordsOf(name, command);
    const part = await startPart({ name, command: word, args, probe });
    t.after(() => part.stop());
    return part;
  };
  const commandOf = (name: string) => services[name]?.command ?? [];

  const [first, ...words] = wordsOf('first-certificates', commandOf('first-certificates'));
  await run(first, words);
  assert.ok(readdirSync(directory('certs')).includes('PLACEHOLDER.pem'));

  const socket = directory('run/https.sock');
  const served = (name: string) => servedAt(socket, name);
  const image = [join(haproxyDir, 'bin/haproxy'), '-W', '-db', '-f', '/usr/local/etc/haproxy/haproxy.cfg'];
  const haproxy = await start('haproxy', image, async () => (await served('www.example.com')) !== undefined);
  assert.match((await served('www.example.com')) ?? '', /pemfleet-placeholder\.invalid/);

  const bucket = await openBucket(pathToFileURL(bucketDir).href);
  await publisher(bucket, await createPki()).publish('www', { names: ['www.example.com'] });
  giveTo(USER, bucketDir);
  const agent = await start('agent', commandOf('agent'), async () => {
    return (await served('www.example.com')) === 'DNS:www.example.com';
  });
  const proved = () => agent.log().includes('certificate.proven');
  await until(async () => proved(), agent.ended, 30_000);
  assert.equal(haproxy.ended(), undefined);
  assert.doesNotMatch(haproxy.log(), /Reloading/);
});

test('example: no service of it gets the socket of a container engine, or writes more than it must', () => {
  const file = 'docs/examples/container/compose.yaml';
  const { services } = openContainers(file, { mounts: [], sources: {} });

  for (const [name, { volumes, read_only, user }] of Object.entries(services)) {
    assert.deepEqual([read_only, user], [true, USER], name);
    assert.ok(!volumes.some((volume) => /docker|podman|containerd/.test(volume)), name);
  }
  assert.ok(services['haproxy']?.volumes.includes('./certs:/etc/haproxy/certs:ro'));
});

test('example: issuer and hosts of a fleet share an S3 that is not AWS, and each HAProxy answers the CA by itself', async (t) => {
  const dir = tempDir(t);
  cpSync('docs/examples/s3-fleet', dir, { recursive: true });
  const stop = <T extends { stop(): Promise<void> }>(part: T) => {
    t.after(() => part.stop());
    return part;
  };
  const aws = stop(await startAws());
  aws.s3.createBucket('certificates');
  const { AWS_ENDPOINT_URL: endpoint = '', ...env } = aws.administrator.env;
  const dns = stop(await startDns());
  const httpPort = await freePort();
  const pebble = stop(await startPebble({ httpPort, dnsServer: dns.address }));
  const [config, agentFile, haproxyFile] = ['pemfleet.yaml', 'agent.yaml', 'haproxy.cfg'].map((name) =>
    join(dir, name),
  ) as [string, string, string];
  const region = `region=${aws.administrator.env['AWS_REGION'] ?? 'us-east-1'}`;
  const store = { 'https://s3.example.com': endpoint, 'region=us-east-1': region };
  const ca = `${pebble.directoryUrl}\n  caFile: ${pebble.caFile}`;
  fill(config, { ...store, 'letsencrypt-staging': ca });
  const variable = (name: string) => `"\${PEMFLEET_${name}}"`;
  fill(haproxyFile, {
    ...{ ':80': variable('HTTP_BIND'), ':443': variable('HTTPS_BIND') },
    ...{ '/etc/haproxy/certs': variable('CERTS_DIR'), '/run/haproxy/admin.sock': variable('SOCKET') },
    ...{ ' group haproxy level': ' level', '    user haproxy\n    group haproxy\n': '' },
  });
  const issuer = async (...words: string[]) => {
    const { status, stdout, stderr } = await finish(program('cli'), [...words, '--config', config], { env });
    assert.equal(status, 0, stderr);
    return stdout;
  };

  const [, thumbprint = ''] = /thumbprint\s+(\S+)/.exec(await issuer('account')) ?? [];
  const configText = readFileSync(haproxyFile, 'utf8');
  const haproxy = stop(
    await startHaproxy({ version: '3.2', configText, httpPort, env: { PEMFLEET_THUMBPRINT: thumbprint } }),
  );
  await issuer('run');
  fill(agentFile, {
    ...{ ...store, '/run/haproxy/admin.sock': haproxy.socket, '/etc/haproxy/certs': haproxy.certsDir },
    '127.0.0.1:443': `127.0.0.1:${haproxy.httpsPort}`,
  });
  const sync = ['sync', '--config', agentFile, '--state-dir', join(dir, 'state')];
  const { stderr } = await finish(program('agent'), sync, { env });

  const shown = await handshake({ port: haproxy.httpsPort, servername: 'www.example.com' });
  assert.deepEqual(shown.names.toSorted(), ['example.com', 'www.example.com'], stderr);
  // mail.example.com is for the other fleet
  assert.deepEqual(
    readdirSync(haproxy.certsDir).filter((name) => name.endsWith('.pem')),
    ['www.example.com.pem'],
  );
});
