/**
 * Each program, as it ships, with the worst that the tables of hostile input know, and with the largest fleets that the field has: the peak of
 * its resident memory. What the input leads to, other tests say.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { hostName, layout } from '#contract/layout.ts';
import { maxBytesOf } from '#contract/limits.ts';
import { program } from '../../e2e/aws-stage.ts';
import { type Invocation, invoke } from '../../e2e/invoke.ts';
import { sendForever, startWildStore } from '../../support/bucket/wild-store.ts';
import { createServerCertificate } from '../../support/hostile-ca/tls.ts';
import { fleet, makeHostStatus, named } from '../../support/issuer/documents.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { type Crowd, makeCrowd } from './crowd.ts';

const MAX_MB = 256;
const MEASURED = `--import=${new URL('../../support/peak-memory.mjs', import.meta.url).href}`;
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's', AWS_REGION: 'eu-central-1' };

const peaks: [program: string, says: string, mb: number][] = [];
after(() => {
  for (const [name, says, mb] of peaks) {
    process.stdout.write(`# ${`${mb} MB`.padStart(7)}  ${name}: ${says}\n`);
  }
});

function measured(name: string, says: string, stderr: string): void {
  const mb = Math.ceil(Number(/peak=(\d+)/.exec(stderr)?.[1]) / 1024);
  peaks.push([name, says, mb]);
  assert.ok(mb < MAX_MB, `${name}, ${says}: ${mb} MB; ${stderr.slice(-500)}`);
}

function tempDir(t: TestContext): string {
  const dir = makeTempDir();
  t.after(dir.remove);
  return dir.path;
}

async function run(name: 'agent' | 'cli', dir: string, ...args: string[]) {
  const env = { ...CREDENTIALS, PATH: process.env['PATH'], NODE_OPTIONS: MEASURED, HOME: dir };
  const child = spawn(process.execPath, [program(name), ...args], { env });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const [status] = await once(child, 'close');
  return { ...output, status };
}

/** The issuer's function as it is deployed: the commands beside it, one of which writes the page. */
async function issuerPass(dir: string, { configFile }: Pick<Crowd, 'configFile'>): Promise<Invocation> {
  const asset = join(dir, 'asset');
  mkdirSync(asset, { recursive: true });
  copyFileSync(program('issuer'), join(asset, 'index.mjs'));
  copyFileSync(program('issuer-commands'), join(asset, 'commands.mjs'));
  const env = { ...CREDENTIALS, HOME: dir, PEMFLEET_CONFIG: configFile, NODE_OPTIONS: MEASURED };
  return invoke('issuer', env, { bundle: join(asset, 'index.mjs'), seconds: 300 });
}

test('1,300 certificates × 100 hosts, all of them well: status, its page, and a pass that writes it', async (t) => {
  const dir = tempDir(t);
  const crowd = await makeCrowd(dir, { certificates: 1300, hosts: 100 }, { statusPage: true });
  const says = '1,300 certificates × 100 hosts';

  const { stdout, stderr } = await run('cli', dir, 'status', '--config', crowd.configFile);
  assert.match(stdout, /www-1299\.example\.net/);
  measured('pemfleet status', says, stderr);
  const page = join(dir, 'page.html');
  measured(
    'pemfleet status --html',
    says,
    (await run('cli', dir, 'status', '--html', page, '--config', crowd.configFile)).stderr,
  );
  const pass = await issuerPass(dir, crowd);
  assert.ok(
    pass.log.some(({ message }) => message === 'status-page.written'),
    pass.stderr,
  );
  measured('issuer, statusPage', says, pass.stderr);
});

test('2,000 certificates × 100 hosts: the page of pemfleet status', async (t) => {
  const dir = tempDir(t);
  const crowd = await makeCrowd(dir, { certificates: 2000, hosts: 100 });
  const args = ['status', '--html', join(dir, 'page.html'), '--config', crowd.configFile];

  measured(
    'pemfleet status --html',
    '2,000 certificates × 100 hosts',
    (await run('cli', dir, ...args)).stderr,
  );
});

const UNKNOWN = 'a member that nobody knows';
/** Each fills what a reader takes, to the last byte. */
const FILLS: Record<string, (bytes: number) => string> = {
  '{}': (bytes) => `[${'{},'.repeat(bytes / 3 - 2)}{}]`,
  levels: (bytes) => '['.repeat(bytes),
  [UNKNOWN]: (bytes) => {
    const lists = `[${'{},'.repeat(9_000)}{}],`;
    return `{"version":1,"more":[${lists.repeat(Math.min(160, bytes / lists.length - 1))}[]]}`;
  },
  'one text': (bytes) => JSON.stringify({ version: 1, more: 'x'.repeat(bytes - 30) }),
};
/** Whoever writes them is the issuer, or has its rights in `published/`; of a host's words, members that nobody knows are dropped. */
const DOCUMENTS = [layout.root(fleet), layout.keys(fleet), layout.manifest(fleet), layout.hostSummaries];

for (const [says, fill] of Object.entries(FILLS)) {
  const documents = says === UNKNOWN ? [] : DOCUMENTS;
  const what =
    documents.length > 0
      ? 'root, keys, version 1, the book of hosts, and twenty statuses'
      : 'twenty statuses';
  test(`${what}, full of: ${says}`, async (t) => {
    const dir = tempDir(t);
    const crowd = await makeCrowd(dir, { certificates: 3, hosts: 3 }, { statusPage: true });
    for (const key of documents) crowd.put(key, fill(maxBytesOf(key)));
    for (let index = 0; index < 20; index += 1) {
      const host = hostName.parse(`i-bad${index}`);
      const more = says === 'levels' ? [] : JSON.parse(fill(900_000));
      const text = JSON.stringify({ ...makeHostStatus(host, { fleet }), more });
      crowd.put(layout.status(fleet, host), says === 'levels' ? fill(1_000_000) : text);
    }

    measured('issuer', `full of ${says}`, (await issuerPass(dir, crowd)).stderr);
    const { stderr } = await run('cli', dir, 'status', '--config', crowd.configFile);
    measured('pemfleet status', `full of ${says}`, stderr);
  });
}

const NAMES = [0, 1, 2].map((index) => named(`www-${index}.example.net`));
/** All that the issuer keeps, but its keys, without which there is no pass. */
const RECORDS = [
  ...[layout.replacements, layout.renewalInfo, layout.caState, layout.writers, layout.auditHead],
  ...[layout.hostSummaries, layout.announcedLevels, layout.notified, layout.wrongNames],
  ...[layout.statusPage, layout.statusPageRecord, layout.manifest(fleet), layout.keys(fleet)],
  ...[layout.departed(fleet), layout.garbage(fleet), layout.tombstones(fleet), layout.fleetHold(fleet)],
  ...NAMES.flatMap((name) => [layout.order(name), layout.history(fleet, name), layout.served(fleet, name)]),
  ...NAMES.flatMap((name) => [layout.certificateHold(name), layout.revocation(name)]),
];

test('all records of the issuer at once, each full of texts that are read', async (t) => {
  const dir = tempDir(t);
  const crowd = await makeCrowd(dir, { certificates: 3, hosts: 3 }, { statusPage: true });
  const text = `"${'x'.repeat(60_000)}",`;
  for (const key of RECORDS) {
    const count = Math.floor((maxBytesOf(key) - 60) / text.length);
    crowd.put(key, `{"version":1,"more":[${text.repeat(count)}""]}`);
  }

  measured('issuer', 'all its records full of texts', (await issuerPass(dir, crowd)).stderr);
  const { stderr } = await run('cli', dir, 'status', '--config', crowd.configFile);
  measured('pemfleet status', "all the issuer's records full of texts", stderr);
});

test('issuer: a CA whose answers have no end', async (t) => {
  const dir = tempDir(t);
  const crowd = await makeCrowd(dir, { certificates: 1, hosts: 1 });
  const tls = await createServerCertificate();
  const server = createHttps(tls, (_, response) => void sendForever(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  const caFile = join(dir, 'ca.pem');
  writeFileSync(caFile, tls.cert);
  const directoryUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}/dir`;
  const config = {
    bucket: crowd.url,
    acme: { directoryUrl, caFile, termsOfServiceAgreed: true },
    certificates: [{ identifiers: ['new.test'] }],
  };
  writeFileSync(crowd.configFile, JSON.stringify(config));

  const { stderr } = await issuerPass(dir, crowd);

  assert.match(stderr, /"certificate":"new.test","code":"ERR_ACME_UNREACHABLE"/);
  measured('issuer', 'a CA whose answers have no end', stderr);
});

test('responder: an answer that has no end, and a request of 6 MB', async (t) => {
  const bucket = await startWildStore(t, (response) => sendForever(response));
  const path = `/.well-known/acme-challenge/${'x'.repeat(43)}`;
  const event = { rawPath: path, headers: { host: 'a.test' }, body: 'x'.repeat(6_000_000) };
  const env = { ...CREDENTIALS, PEMFLEET_BUCKET: bucket, NODE_OPTIONS: MEASURED };

  measured('responder', 'an answer without an end', (await invoke('responder', env, { event })).stderr);
});

test('agent: a HAProxy whose answers have no end', async (t) => {
  const dir = tempDir(t);
  const crowd = await makeCrowd(dir, { certificates: 3, hosts: 1 });
  const socket = join(dir, 'haproxy.sock');
  const block = Buffer.alloc(65_536, 'x');
  const server = createServer((client) => {
    const send = () => {
      while (client.write(block));
    };
    client
      .on('data', send)
      .on('drain', send)
      .on('error', () => undefined);
  }).listen(socket);
  await once(server, 'listening');
  t.after(() => server.close());
  const config = join(dir, 'agent.yaml');
  mkdirSync(join(dir, 'certs'));
  const haproxy = { statsSocket: socket, certsDir: join(dir, 'certs') };
  const settings = { bucket: crowd.url, fleet, host: 'lb1', stateDir: join(dir, 'state'), haproxy };
  writeFileSync(config, JSON.stringify(settings));

  const { stderr } = await run('agent', dir, 'sync', '--config', config);

  assert.match(stderr, /ERR_RUNTIME_SHORT_ANSWER/);
  measured('pemfleet-agent', 'a HAProxy whose answers have no end', stderr);
});
