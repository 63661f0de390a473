// A booted Debian: systemd is process 1 in namespaces of its own (systemd-nspawn), on a file system of its own, with this
// machine's network. Only one at a time: the cgroup is ours, and two systemd in one would end each other's services.

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
  /** Until cloud-init has ended. @returns its errors */
  boot(): Promise<string[]>;
  /** Runs a command inside, as root, without anything of this process's environment. */
  exec(command: string, ...args: string[]): Promise<string>;
  shutDown(): Promise<void>;
  remove(): Promise<void>;
}

const BOOT_MS = 240_000;
const INSIDE = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TERM: 'dumb' };

/** @param userData handed to cloud-init as the one of this instance */
export async function makeMachine(instanceId: string, userData: string): Promise<Machine> {
  const nspawn = programPath('nspawn');
  const place = makeTempDir();
  const at = (path: string) => join(place.path, path);
  const write = (path: string, text: string) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text);
  };
  await run('tar', ['-xf', join(dirname(nspawn), '../machine.tar'), '-C', place.path]);
  const seed = 'var/lib/cloud/seed/nocloud';
  write(`${seed}/meta-data`, `instance-id: ${instanceId}\nlocal-hostname: lb1\n`);
  write(`${seed}/user-data`, userData);
  write(
    'etc/cloud/cloud.cfg.d/99-seed.cfg',
    'datasource_list: [NoCloud]\nnetwork: {config: disabled}\nlocale: false\n',
  );
  let part: Part | undefined;
  const exec = (command: string, ...args: string[]) => execInside(part, command, args);
  // cloud-init writes it last
  const result = at('var/lib/cloud/data/result.json');
  return {
    ...{ at, write, exec },
    boot: async () => {
      rmSync(result, { force: true });
      const command = bootCommand(nspawn, place.path);
      const probe = async () => existsSync(result);
      part = await startPart({ name: 'the machine', ...command, probe, deadlineMs: BOOT_MS });
      return JSON.parse(readFileSync(result, 'utf8')).v1.errors;
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

function bootCommand(nspawn: string, tree: string) {
  // where systemd runs, it gives the machine a cgroup; elsewhere it stays in ours
  const unit = existsSync('/run/systemd/system') ? [] : ['--keep-unit'];
  const place = ['--directory', tree, '--machine', 'pemfleet-test'];
  const plain = ['--resolv-conf=off', '--timezone=off', '--link-journal=no', '--console=pipe'];
  return { command: nspawn, args: ['--quiet', '--boot', '--register=no', ...unit, ...place, ...plain] };
}

async function execInside(part: Part | undefined, command: string, args: readonly string[]): Promise<string> {
  const pid = part?.pid;
  const leader = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0] ?? '';
  const spaces = ['--mount', '--uts', '--ipc', '--pid', '--cgroup', '--root', '--wd'];
  const { stdout } = await run('nsenter', ['--target', leader, ...spaces, '--', command, ...args], {
    env: INSIDE,
  });
  return stdout;
}
