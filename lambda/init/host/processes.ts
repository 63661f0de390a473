/** The HAProxy that run on this machine, as /proc shows them. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { type HaproxyArguments, parseHaproxyArguments } from './arguments.ts';

export interface HaproxyProcess {
  pid: number;
  uid: number;
  gid: number;
  program: string;
  args: HaproxyArguments;
  directory: string;
  env: Readonly<Record<string, string>>;
  /** systemd's. */
  unit: string | undefined;
  /** Processes that it has started: of a master, its workers. */
  children: readonly number[];
  /** Its root is another one: a container. */
  isElsewhere: boolean;
}

interface Entry {
  pid: number;
  parent: number;
  uid: number;
  gid: number;
  program: string;
}

/** Masters, and those without one. A stranger may call anything haproxy: of other users' processes only a unit's count. */
export function findHaproxyProcesses(ownUid: number): HaproxyProcess[] {
  const entries = readEntries();
  const pids = new Set(entries.map(({ pid }) => pid));
  return entries
    .filter(({ parent }) => !pids.has(parent))
    .flatMap((entry) => processOf(entry, entries) ?? [])
    .filter(({ uid, unit }) => uid === 0 || uid === ownUid || unit !== undefined);
}

/** Of a master: the workers that live now. */
export function workersUnder(pid: number): number[] {
  return readEntries().flatMap((entry) => (entry.parent === pid ? [entry.pid] : []));
}

function readEntries(): Entry[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((name) => entryOf(Number(name)) ?? []);
}

/** Gone meanwhile, or another user's: none for us. */
function entryOf(pid: number): Entry | undefined {
  try {
    const program = readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '');
    if (!basename(program).startsWith('haproxy')) return undefined;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    if (/^State:\s+Z/m.test(status)) return undefined;
    const numberOf = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
    return { pid, parent: numberOf('PPid'), uid: numberOf('Uid'), gid: numberOf('Gid'), program };
  } catch {
    return undefined;
  }
}

function processOf({ pid, uid, gid, program }: Entry, entries: readonly Entry[]): HaproxyProcess | undefined {
  try {
    const [, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
    // A chroot has a path that leads there from here; the root of a container is another one than ours.
    const [root, ours] = [statSync(`/proc/${pid}/root/`), statSync(readlinkSync(`/proc/${pid}/root`))];
    const cgroup = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
    return {
      ...{ pid, uid, gid, program },
      args: parseHaproxyArguments(args),
      directory: readlinkSync(`/proc/${pid}/cwd`),
      env: withoutOwn(environmentOf(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0'))),
      unit: /\/system\.slice\/(?:[^\n]*\/)?([^/\n]+\.service)(?:\/|$)/m.exec(cgroup)?.[1],
      children: entries.flatMap((entry) => (entry.parent === pid ? [entry.pid] : [])),
      isElsewhere: root.dev !== ours.dev || root.ino !== ours.ino,
    };
  } catch {
    return undefined;
  }
}

/** A master tells itself by its environment what it is, and systemd where to report: no other HAProxy may take that for its own. */
const withoutOwn = (env: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^(HAPROXY_|NOTIFY_SOCKET$|WATCHDOG_|LISTEN_)/.test(name)),
  );

/** @param lines `NAME=value` */
export function environmentOf(lines: readonly string[]): Record<string, string> {
  const pairs = lines.map((line): [string, string] => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)];
  });
  return Object.fromEntries(pairs.filter(([name]) => /^\w+$/.test(name)));
}
