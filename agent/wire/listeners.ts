/**
 * Which processes listen on the address of a bind, as far as /proc tells this user: everybody sees listening sockets and the
 * names of processes; whose socket it is, only the process's own user and root (ptrace(2), PTRACE_MODE_READ).
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { BlockList, isIPv6 } from 'node:net';
import { endianness } from 'node:os';
import { basename } from 'node:path';
import { printable } from '#common/printable.ts';
import { parseAddress, plainAddress } from './address.ts';
import { localAddressesOf } from './local.ts';

export interface Listener {
  pid: number;
  /** As ps(1) shows it. */
  name: string;
  /** `stale`: a former worker of the same HAProxy; `same`: HAProxy itself. */
  relation: 'same' | 'stale' | 'other';
}

export interface Listeners {
  /** Sockets that listen there. */
  sockets: number;
  /** Processes that hold one of them. */
  known: Listener[];
  /** Where `known` lacks the owner of a socket: processes of HAProxy's name that the stats socket does not speak for. */
  suspects: Listener[];
}

/** @param pid of HAProxy's worker, as it sees itself */
export async function listenersOn(
  address: string,
  pid: number | undefined,
  proc = '/proc',
): Promise<Listeners> {
  const sockets = await socketsOn(address, proc);
  if (sockets.size === 0) return { sockets: 0, known: [], suspects: [] };
  const processes = await readProcesses(sockets, proc);
  const worker =
    processes.find((one) => one.ownPid === pid && /haproxy/.test(one.name)) ??
    processes.find((one) => one.ownPid === pid);
  const parent = processes.find((one) => one.pid === worker?.parent);
  const master = parent?.name === worker?.name ? parent : undefined;
  const relationOf = (one: Process): Listener['relation'] => {
    if (one === worker || one === master) return 'same';
    return master !== undefined && one.parent === master.pid ? 'stale' : 'other';
  };
  const listenerOf = (one: Process): Listener => ({
    pid: one.pid,
    name: one.name,
    relation: relationOf(one),
  });
  const owners = processes.filter(({ sockets: held }) => held.length > 0);
  const owned = new Set(owners.flatMap(({ sockets: held }) => held));
  const isHidden = owned.size < sockets.size;
  const namesakes = processes.filter(
    (one) => one.name === (worker?.name ?? 'haproxy') && !owners.includes(one),
  );
  return {
    sockets: sockets.size,
    known: owners.map(listenerOf),
    suspects: isHidden ? namesakes.map(listenerOf).filter(({ relation }) => relation !== 'same') : [],
  };
}

interface Process {
  pid: number;
  /** In its own PID namespace: HAProxy in a container knows this one. */
  ownPid: number;
  parent: number;
  name: string;
  /** Inodes of those that were asked for. */
  sockets: string[];
}

async function readProcesses(sockets: ReadonlySet<string>, proc: string): Promise<Process[]> {
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name));
  const processes: Process[] = [];
  // One after the other: a host may have thousands.
  for (const pid of pids) {
    const one = await readProcess(`${proc}/${pid}`, sockets).catch(() => undefined);
    if (one !== undefined) processes.push(one);
  }
  return processes;
}

/** @throws where the process is gone */
async function readProcess(directory: string, sockets: ReadonlySet<string>): Promise<Process> {
  const status = await readFile(`${directory}/status`, 'utf8');
  const pid = basename(directory);
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
  return {
    pid: Number(pid),
    ownPid: Number(field('NSpid').split(/\s+/).at(-1) || pid),
    parent: Number(field('PPid')),
    name: printable(field('Name')),
    sockets: await socketsHeldBy(directory, sockets),
  };
}

async function socketsHeldBy(directory: string, sockets: ReadonlySet<string>): Promise<string[]> {
  // Another user's: EACCES.
  const descriptors = await readdir(`${directory}/fd`).catch(() => []);
  const held: string[] = [];
  for (const descriptor of descriptors) {
    const target = await readlink(`${directory}/fd/${descriptor}`).catch(() => '');
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined && sockets.has(inode)) held.push(inode);
  }
  return held;
}

/** @returns inodes of the sockets that take connections to the address */
async function socketsOn(address: string, proc: string): Promise<Set<string>> {
  const bind = parseAddress(address);
  if (bind?.kind !== 'tcp') return new Set();
  const hosts = new BlockList();
  for (const host of await localAddressesOf(bind.host).catch(() => [])) add(hosts, plainAddress(host));
  const tables = await Promise.all(TABLES.map((path) => readFile(`${proc}/${path}`, 'utf8').catch(() => '')));
  const inodes = tables
    .flatMap((table) => table.split('\n'))
    .flatMap((line) => {
      // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
      const [host = '', port = ''] = local.split(':');
      const isOnPort = state === LISTEN && Number.parseInt(port, 16) === bind.port;
      return isOnPort && inode !== undefined && takes(host, hosts) ? [inode] : [];
    });
  return new Set(inodes);
}

const TABLES = ['net/tcp', 'net/tcp6'];
/** TCP_LISTEN of the kernel's tcp_states.h. */
const LISTEN = '0A';

function add(list: BlockList, address: string): void {
  list.addAddress(address.split('%')[0] ?? '', isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** @param hex as the kernel prints an address: words of 32 bits in the machine's order of bytes */
function takes(hex: string, hosts: BlockList): boolean {
  if (/^0+$/.test(hex)) return true;
  const bytes = Buffer.from(hex, 'hex');
  if (endianness() === 'LE') bytes.swap32();
  if (bytes.length === 4) return hosts.check(bytes.join('.'), 'ipv4');
  return hosts.check((bytes.toString('hex').match(/.{4}/g) ?? []).join(':'), 'ipv6');
}
