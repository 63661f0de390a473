// Commands that only root may start. Where the tests are another user's, sudo without a password takes root's place.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { tempDir } from './temp-dir.ts';

export interface Typed {
  status: number | null;
  stdout: string;
  stderr: string;
}

const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n', '-E'];
export const NOBODY = 65_534;
const HINT = 'wanted root, or sudo without a password';

/** @throws where this machine gives no root: that is an error, no reason to skip */
export function asRoot(...words: string[]): string {
  const [program = '', ...args] = [...sudo, ...words];
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    throw new Error(`${words.join(' ')}: ${HINT}`, { cause: error });
  }
}

/** Types a command as root and tells how it ended. */
export function typeAsRoot(words: readonly string[]): Typed {
  return type([...sudo, ...words]);
}

/** As root of a machine that has no system user pemfleet. */
export function typeWithoutUser(t: TestContext, words: readonly string[]): Typed {
  const users = join(tempDir(t), 'passwd');
  writeFileSync(users, readFileSync('/etc/passwd', 'utf8').replace(/^pemfleet:.*\n/m, ''));
  const script = `mount --bind ${users} /etc/passwd && exec "$@"`;
  return typeAsRoot(['unshare', '--mount', 'sh', '-c', script, 'sh', ...words]);
}

/** As a user without a name, in one group. */
export function typeAs(uid: number, words: readonly string[], groups: readonly number[] = []): Typed {
  const list = groups.length === 0 ? '--clear-groups' : `--groups=${groups.join(',')}`;
  return type([...sudo, 'setpriv', `--reuid=${uid}`, `--regid=${uid}`, list, ...words]);
}

function type(words: readonly string[]): Typed {
  const [program = '', ...args] = words;
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) throw new Error(`${words.join(' ')}: ${HINT}`, { cause: error });
  return { status, stdout, stderr };
}

/** Owner and path of all below a directory. */
export function ownersBelow(path: string): Map<string, number> {
  const lines = asRoot('find', path, '-printf', '%U %p\n').trim().split('\n');
  return new Map(lines.map((line) => [line.slice(line.indexOf(' ') + 1), Number(line.split(' ')[0])]));
}
