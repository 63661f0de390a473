// Caddy's ACME server, which is smallstep's: a second real CA. It validates on port 80 only, and asks the system's
// resolver for addresses; so it has a network namespace of its own, with a DNS server of its own inside. Socket files lead
// into the namespace and out of it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programPath } from '../../setup.mjs';
import { startBridge } from '../bridge.ts';
import { freePort } from '../ports.ts';
import { type Part, startPart } from '../process.ts';
import { request } from '../request.ts';
import { makeTempDir } from '../temp-dir.ts';
import { type DnsManagement, dnsArguments, dnsManagement } from './dns-management.ts';
import { createPki } from './pki.ts';
import type { TestCa } from './test-ca.ts';

export interface CaddyOptions {
  /** what every name's port 80 leads to, on 127.0.0.1; default: to nothing */
  httpPort?: number;
  /** of the certificates, as Go writes it; at least 5m */
  lifetime?: string;
  /** names that it refuses to order; `*.bad.test` stands for one label more */
  deny?: readonly string[];
}

export interface Caddy extends TestCa {
  dns: DnsManagement;
}

/** Inside the namespace. */
const [DNS, DNS_MANAGEMENT] = ['127.0.0.1:53', '127.0.0.1:8055'];
/** A line of its access log. */
const NEW_ORDER = /"uri":"\/acme\/local\/new-order".*"status":201/g;
const HINT =
  'Caddy needs a network namespace of its own: run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), with ip (iproute2), mount, setpriv and unshare there';

export async function startCaddy(options: CaddyOptions = {}): Promise<Caddy> {
  const dir = makeTempDir();
  const bridges: (() => Promise<void>)[] = [];
  const socket = (name: string) => join(dir.path, `${name}.sock`);
  let part: Part | undefined;
  const stop = async () => {
    await part?.stop();
    for (const end of bridges) await end();
    dir.remove();
  };
  /** @returns the port on 127.0.0.1 that leads to a socket file of the namespace */
  const portTo = async (name: string) => {
    const port = await freePort();
    bridges.push(await startBridge({ host: '127.0.0.1', port }, { path: socket(name) }));
    return port;
  };
  try {
    const { caFile, ca } = await writeFiles(dir.path, options);
    const directoryUrl = `https://127.0.0.1:${await portTo('acme')}/acme/local/directory`;
    const dns = dnsManagement(`http://127.0.0.1:${await portTo('dns')}`);
    const { httpPort } = options;
    if (httpPort !== undefined) {
      bridges.push(await startBridge({ path: socket('front') }, { host: '127.0.0.1', port: httpPort }));
    }
    part = await startInNamespace(dir.path, async () => {
      await dns.manage('clear-txt', { host: 'probe.test.' });
      return (await request(directoryUrl, { ca })).status === 200;
    });
    const rootFile = join(dir.path, 'caddy/pki/authorities/local/root.crt');
    const rootPem = async () => readFileSync(rootFile, 'utf8');
    const { log } = part;
    const ordersMade = () => log().match(NEW_ORDER)?.length ?? 0;
    return { directoryUrl, caFile, ca, dns, rootPem, ordersMade, log, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function startInNamespace(dir: string, probe: () => Promise<boolean>): Promise<Part> {
  const script = [
    'ip link set lo up',
    `mount --bind ${join(dir, 'resolv.conf')} /etc/resolv.conf`,
    // the DNS server ends with Caddy, which takes this shell's place
    `setpriv --pdeathsig KILL ${quoted(programPath('challtestsrv'), ...dnsArguments(DNS, DNS_MANAGEMENT, '127.0.0.1'))} &`,
    `exec ${quoted(programPath('caddy'))} run --config ${join(dir, 'caddy.json')}`,
  ];
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  return startPart({
    name: 'Caddy',
    command: 'unshare',
    args: ['--net', '--mount', ...asRoot, 'sh', '-ec', script.join('\n')],
    env: {
      PATH: `${process.env['PATH']}:/usr/sbin:/sbin`,
      HOME: dir,
      XDG_DATA_HOME: dir,
      // Go's own resolver, which reads resolv.conf
      GODEBUG: 'netdns=go',
    },
    probe,
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${HINT}`, { cause: error });
  });
}

const quoted = (...words: string[]) => words.map((word) => `'${word}'`).join(' ');

async function writeFiles(dir: string, options: CaddyOptions) {
  const pki = await createPki();
  const { leafPem, chainPem, keyPem } = await pki.issue({ names: ['localhost', '127.0.0.1'] });
  const write = (name: string, text: string) => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const server = {
    certificate: write('server.pem', leafPem + chainPem.join('')),
    key: write('server-key.pem', keyPem),
  };
  write('resolv.conf', `nameserver ${DNS.split(':')[0]}\n`);
  write('caddy.json', JSON.stringify(configOf(dir, options, server)));
  return { caFile: write('ca.pem', pki.rootPem), ca: pki.rootPem };
}

function configOf(dir: string, options: CaddyOptions, server: { certificate: string; key: string }) {
  const { lifetime = '12h', deny = [] } = options;
  const policy = {
    allow_wildcard_names: true,
    ...(deny.length > 0 ? { deny: { domains: deny } } : {}),
  };
  const acme = { handler: 'acme_server', lifetime, policy, resolvers: [DNS] };
  const at = (listen: string, handler: object, more: object = {}) => ({
    listen: [listen],
    automatic_https: { disable: true },
    routes: [{ handle: [handler] }],
    ...more,
  });
  const to = (dial: string) => ({ handler: 'reverse_proxy', upstreams: [{ dial }] });
  const unix = (name: string) => `unix/${join(dir, `${name}.sock`)}`;
  return {
    admin: { disabled: true, config: { persist: false } },
    storage: { module: 'file_system', root: join(dir, 'caddy') },
    apps: {
      pki: { certificate_authorities: { local: { install_trust: false } } },
      tls: { certificates: { load_files: [server] } },
      http: {
        servers: {
          acme: at(unix('acme'), acme, {
            tls_connection_policies: [{ default_sni: 'localhost' }],
            logs: {},
          }),
          front: at(':80', to(unix('front'))),
          dns: at(unix('dns'), to(DNS_MANAGEMENT)),
        },
      },
    },
  };
}
