// Let's Encrypt as a host meets it: its two names, at a public address, with Pebble behind them. So the pages' commands and
// configurations run as they stand.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { createServer, request } from 'node:https';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createPki } from '../../support/parts/pki.ts';
import { until } from '../../support/process.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { type Keep, startTogether } from '../../support/together.ts';
import type { Tree } from '../tree.ts';

const run = promisify(execFile);

export const LETS_ENCRYPT = ['acme-staging-v02.api.letsencrypt.org', 'acme-v02.api.letsencrypt.org'] as const;
/** One of Let's Encrypt's own: pemfleet asks a public CA at public addresses only. It exists in the tree's network alone. */
const ADDRESS = '172.65.46.172';
const [CA_END, TREE_END] = ['10.213.8.1', '10.213.8.2'];
const NETWORK = 'pemfleet-ca';
/** Of the machine's image, where Node's programs look for further roots. */
export const ROOTS = '/etc/ssl/lets-encrypt.pem';

/** Once the tree has booted; its units trust it from then on. */
export function startLetsEncrypt(tree: Tree): Promise<{ stop(): Promise<void> }> {
  return startTogether(async (keep) => {
    const place = makeTempDir();
    keep(place.remove);
    const pki = await createPki();
    const socket = join(place.path, 'acme.sock');
    keep(await serve(tree, await pki.issue({ names: LETS_ENCRYPT }), socket));
    chmodSync(place.path, 0o755);
    keep(await joinNetwork(tree));
    await listenThere(keep, socket);
    tree.machine.write(ROOTS, pki.rootPem);
    await tree.shell(`printf '${ADDRESS} %s\\n' ${LETS_ENCRYPT.join(' ')} >>/etc/hosts
systemctl set-environment NODE_EXTRA_CA_CERTS=${ROOTS}`);
    return {};
  });
}

/** Pebble makes the URLs of its resources from the name that it was asked by. */
async function serve(
  { pebble }: Tree,
  certificate: { combined: string; leafPem: string; chainPem: string[]; keyPem: string },
  socket: string,
): Promise<() => Promise<void>> {
  const { hostname, port } = new URL(pebble.directoryUrl);
  const options = { cert: certificate.leafPem + certificate.chainPem.join(''), key: certificate.keyPem };
  const server = createServer(options, (incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const path = url === '/directory' ? '/dir' : url;
    const to = {
      hostname,
      port,
      path,
      method,
      headers,
      ca: pebble.ca,
      servername: 'localhost',
      agent: false,
    };
    const onward = request(to, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.once('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
}

async function joinNetwork({ network }: Tree): Promise<() => Promise<void>> {
  const ip = (line: string) => run('ip', line.split(' '));
  const remove = async () => {
    await ip(`netns delete ${NETWORK}`).catch(() => undefined);
  };
  // Of a run that was killed.
  await remove();
  await ip(`netns add ${NETWORK}`);
  await ip(`link add pf-ca netns ${NETWORK} type veth peer name pf-tree netns ${network}`);
  await ip(`-n ${NETWORK} address add ${CA_END}/30 dev pf-ca`);
  await ip(`-n ${NETWORK} address add ${ADDRESS}/32 dev lo`);
  for (const link of ['pf-ca', 'lo']) await ip(`-n ${NETWORK} link set ${link} up`);
  await ip(`-n ${network} address add ${TREE_END}/30 dev pf-tree`);
  await ip(`-n ${network} link set pf-tree up`);
  await ip(`-n ${network} route add ${ADDRESS} via ${CA_END}`);
  return remove;
}

/** A process in that network, from port 443 to the socket: a file belongs to no network. */
async function listenThere(keep: Keep, socket: string): Promise<void> {
  const script = `require('node:net').createServer((one) => {
  const other = require('node:net').connect(${JSON.stringify(socket)});
  one.on('error', () => other.destroy());
  other.on('error', () => one.destroy());
  one.pipe(other).pipe(one);
}).listen(443, '${ADDRESS}', () => console.log('ready'))`;
  const child: ChildProcess = spawn('ip', ['netns', 'exec', NETWORK, process.execPath, '-e', script]);
  keep(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  await until(
    async () => said.includes('ready'),
    () => (child.exitCode === null ? undefined : said),
    10_000,
  );
}
