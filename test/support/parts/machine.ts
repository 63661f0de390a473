// A booted Debian: systemd is process 1 in namespaces of its own (systemd-nspawn), on a file system of its own, with this
// machine's network or one of its own. Only one at a time: the cgroup is ours, and two systemd in one would end each
// other's services.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { programPath } from '../../setup.mjs';
import { type Part, startPart, until } from '../process.ts';
import { makeTempDir } from '../temp-dir.ts';

const run = promisify(execFile);

export interface Machine {
  /** Its file system as this machine sees it, while it is off too. */
  at(path: string): string;
  /** While it is off: a file of its image. */
  write(path: string, text: string): void;
  /** Until all of it has started, cloud-init first. @returns cloud-init's errors */
  boot(): Promise<string[]>;
  /** Runs a command inside, as root, without anything of this process's environment. */
  exec(command: string, ...args: string[]): Promise<string>;
  /** The command line that this machine starts for it. */
  enter(command: readonly string[]): string[];
  shutDown(): Promise<void>;
  remove(): Promise<void>;
}

export interface MachineOptions {
  /** Which of the set-up's machines; default: Debian 12. */
  program?: 'nspawn' | 'nspawn-13' | 'nspawn-rpm';
  /** Default: this machine's network. */
  network?: string;
  /** Handed to cloud-init as those of this instance; without them it does not run. */
  cloud?: { instanceId: string; userData: string };
}

const BOOT_MS = 240_000;
/** What a program inside has of this process's environment: nothing. */
export const INSIDE = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TERM: 'dumb' };

export async function makeMachine({ program = 'nspawn', network, cloud }: MachineOptions): Promise<Machine> {
  const nspawn = programPath(program);
  const place = makeTempDir();
  const at = (path: string) => join(place.path, path);
  const write = (path: string, text: string) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text);
  };
  await run('tar', ['-xf', join(dirname(nspawn), '../machine.tar'), '-C', place.path]);
  if (cloud === undefined) write('etc/cloud/cloud-init.disabled', '');
  else seedCloudInit(write, cloud);
  let part: Part | undefined;
  const enter = (command: readonly string[]) => enterCommand(part, network, command);
  const exec = (command: string, ...args: string[]) => execute(enter([command, ...args]));
  // cloud-init writes it last
  const result = at('var/lib/cloud/data/result.json');
  const isUp = async () => {
    const state = await exec('sh', '-c', 'systemctl is-system-running || true');
    return /^(running|degraded)$/m.test(state);
  };
  return {
    ...{ at, write, exec, enter },
    boot: async () => {
      rmSync(result, { force: true });
      const command = bootCommand(nspawn, place.path, network);
      const probe = async () => cloud === undefined || existsSync(result);
      part = await startPart({ name: 'the machine', ...command, probe, deadlineMs: BOOT_MS });
      if (cloud !== undefined) return JSON.parse(readFileSync(result, 'utf8')).v1.errors;
      await until(isUp, () => part?.ended(), BOOT_MS);
      return [];
    },
    shutDown: async () => {
      await exec('systemctl', '--no-block', 'poweroff');
      await until(
        async () => part?.ended() !== undefined,
        () => undefined,
        BOOT_MS,
      );
    },
    remove: async () => {
      await part?.stop();
      place.remove();
    },
  };
}

function seedCloudInit(
  write: Machine['write'],
  { instanceId, userData }: NonNullable<MachineOptions['cloud']>,
): void {
  const seed = 'var/lib/cloud/seed/nocloud';
  write(`${seed}/meta-data`, `instance-id: ${instanceId}\nlocal-hostname: lb1\n`);
  write(`${seed}/user-data`, userData);
  write(
    'etc/cloud/cloud.cfg.d/99-seed.cfg',
    'datasource_list: [NoCloud]\nnetwork: {config: disabled}\nlocale: false\n',
  );
}

function bootCommand(nspawn: string, tree: string, network: string | undefined) {
  // where systemd runs, it gives the machine a cgroup; elsewhere it stays in ours
  const unit = existsSync('/run/systemd/system') ? [] : ['--keep-unit'];
  const place = ['--directory', tree, '--machine', 'pemfleet-test'];
  const plain = ['--resolv-conf=off', '--timezone=off', '--link-journal=no', '--console=pipe'];
  const net = network === undefined ? [] : [`--network-namespace-path=/run/netns/${network}`];
  return {
    command: nspawn,
    args: ['--quiet', '--boot', '--register=no', ...unit, ...place, ...plain, ...net],
  };
}

function enterCommand(
  part: Part | undefined,
  network: string | undefined,
  command: readonly string[],
): string[] {
  const pid = part?.pid;
  const leader = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0] ?? '';
  const net = network === undefined ? [] : ['--net'];
  const spaces = ['--mount', '--uts', '--ipc', '--pid', '--cgroup', ...net, '--root', '--wd'];
  return ['nsenter', '--target', leader, ...spaces, '--', ...command];
}

async function execute([command = '', ...args]: readonly string[]): Promise<string> {
  const { stdout } = await run(command, args, { env: INSIDE, maxBuffer: 64 << 20 });
  return stdout;
}
