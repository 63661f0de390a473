// A host as a stranger has it: a Debian that boots, with HAProxy on ports 80 and 443 of a network of its own, and beside it a CA
// (Pebble in Let's Encrypt's place) and a DNS that knows the host's names.

import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { type Handshake, handshake } from '../support/handshake.ts';
import { startDns } from '../support/parts/dns.ts';
import { type Machine, type MachineOptions, makeMachine } from '../support/parts/machine.ts';
import { type Pebble, startPebble } from '../support/parts/pebble.ts';
import { until } from '../support/process.ts';
import { type Keep, startTogether } from '../support/together.ts';

const run = promisify(execFile);

/** The two ends of the wire between this machine and the tree: of a private network, where a private CA may be asked. */
const [HERE, THERE] = ['10.213.7.1', '10.213.7.2'];
const NETWORK = 'pemfleet-tree';

export interface Tree {
  machine: Machine;
  pebble: Pebble;
  /** The namespace of its network. */
  network: string;
  /** Path of the CA's trust anchor inside. */
  caFile: string;
  /** Runs a script inside, as root; fails where one of its commands does, with all that it has said. */
  shell(script: string): Promise<string>;
  handshake(servername: string): Promise<Handshake>;
  /** Waits until Pebble's certificate of this name is served. @returns the seconds since the call */
  served(name: string): Promise<number>;
  stop(): Promise<void>;
}

export const startTree = (program: NonNullable<MachineOptions['program']>): Promise<Tree> =>
  startTogether((keep) => start(keep, program));

async function start(
  keep: Keep,
  program: NonNullable<MachineOptions['program']>,
): Promise<Omit<Tree, 'stop'>> {
  keep(await joinNetworks());
  const dns = await startDns({ host: HERE, ipv4: THERE });
  keep(dns.stop);
  const pebble = await startPebble({ host: HERE, httpPort: 80, dnsServer: dns.address });
  keep(pebble.stop);
  const machine = await makeMachine({ program, network: NETWORK });
  keep(machine.remove);
  if (program === 'nspawn-rpm') removeDpkg(machine);
  const caFile = '/etc/ssl/pebble.pem';
  machine.write(caFile, pebble.ca);
  machine.write('etc/hostname', 'lb1\n');
  const cfg = machine.at('etc/haproxy/haproxy.cfg');
  writeFileSync(cfg, `${readFileSync(cfg, 'utf8')}\n${SITE}`);
  await machine.boot();
  const shell = async (script: string) => {
    const said = await machine.exec('sh', '-c', `( ${script}\n) 2>&1; echo "ended with $?"`);
    const [, text = '', status] = /^([\s\S]*)ended with (\d+)\n$/.exec(said) ?? [];
    if (status !== '0') throw new Error(`${script}\nended with ${status}:\n${text}`);
    return text;
  };
  const shake = (servername: string) => handshake({ host: THERE, port: 443, servername });
  const roots = await pebble.rootPem();
  return {
    ...{ machine, pebble, network: NETWORK, caFile, shell, handshake: shake },
    served: async (name) => {
      const begin = performance.now();
      const isServed = async () =>
        (await handshake({ host: THERE, port: 443, servername: name, ca: roots })).authorized;
      await until(isServed, () => undefined, 60_000).catch(async (cause: unknown) => {
        const said = await machine.exec(
          'sh',
          '-c',
          'journalctl -b --no-pager -o cat -n 120 -u "pemfleet*" -u haproxy; systemctl list-units --no-pager "pemfleet*"',
        );
        throw new Error(`${name} is not served after a minute: ${said}`, { cause });
      });
      return (performance.now() - begin) / 1000;
    },
  };
}

/** What the operator's HAProxy does today: HTTP only. */
const SITE = `frontend http
    bind :80
    default_backend site

backend site
    http-request return status 200 content-type text/plain string "the site"
`;

/** @returns what takes it away */
async function joinNetworks(): Promise<() => Promise<void>> {
  const ip = (line: string) => run('ip', line.split(' '));
  const remove = async () => {
    await ip(`netns delete ${NETWORK}`).catch(() => undefined);
    await ip('link delete pf-here').catch(() => undefined);
  };
  // Of a run that was killed.
  await remove();
  await ip(`netns add ${NETWORK}`);
  await ip('link add pf-here type veth peer name pf-there');
  await ip(`link set pf-there netns ${NETWORK}`);
  await ip(`address add ${HERE}/30 dev pf-here`);
  await ip('link set pf-here up');
  await ip(`-n ${NETWORK} address add ${THERE}/30 dev pf-there`);
  for (const link of ['pf-there', 'lo']) await ip(`-n ${NETWORK} link set ${link} up`);
  return remove;
}

/** The package manager of this tree is rpm: a script that calls dpkg or apt fails. */
function removeDpkg(machine: Machine): void {
  for (const path of [
    'usr/bin/dpkg',
    'usr/bin/apt-get',
    'usr/bin/apt',
    'var/lib/dpkg',
    'var/lib/apt',
    'etc/debian_version',
  ]) {
    rmSync(machine.at(path), { recursive: true, force: true });
  }
}
