/** docs/examples/container as it stands there: HAProxy and the agent, which share two directories and nothing else. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { openBucket } from '#storage/open.ts';
import { programPath } from '../setup.mjs';
import { fleet } from '../support/agent/host.ts';
import { publisher } from '../support/agent/publish.ts';
import { giveTo, openContainers } from '../support/containers.ts';
import { createPki } from '../support/parts/pki.ts';
import { startPart, until } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';

const run = promisify(execFile);
const USER = '99:99';

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
    const [program, ...args] = wordsOf(name, command);
    const part = await startPart({ name, command: program, args, probe });
    t.after(() => part.stop());
    return part;
  };
  const commandOf = (name: string) => services[name]?.command ?? [];

  const [program, ...args] = wordsOf('first-certificates', commandOf('first-certificates'));
  await run(program, args);
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
