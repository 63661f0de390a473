/** Gives up root for good: groups, group, user, in this order, and no way back. */
import { spawnSync } from 'node:child_process';
import { isSea } from 'node:sea';
import { type Account, groupsWith } from './accounts.ts';
import { WrongUser } from './wrong-user.ts';

/** Node has it, and its types do not. */
const { initgroups }: { initgroups?: (user: string, extraGroup: number) => void } = process as object;

const OF_ROOT = ['HOME', 'USER', 'LOGNAME', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME'];

/** Where Debian's libuv is newer than its Node 20 expects, Node lets nobody change the user (CVE-2024-22017). */
export const NODE_REFUSES = /^ERR_INVALID_STATE$/;

/**
 * @param extraGroups that the unit gives beside the user's own
 * @param env gets the home and the name of the user: what root has in its home is not the user's
 * @returns false where Node itself refuses: then nothing has changed
 * @throws WrongUser where the machine does not let root become another user
 */
export function become(account: Account, extraGroups: readonly number[], env: NodeJS.ProcessEnv): boolean {
  const { uid, gid, name } = account;
  try {
    if (name !== undefined) initgroups?.(name, gid);
    else process.setgroups?.([gid]);
    // Group 0 may read what is root's.
    const own = (process.getgroups?.() ?? []).filter((group) => group !== 0);
    process.setgroups?.([...new Set([gid, ...own, ...extraGroups.filter((group) => group !== 0)])]);
    process.setgid?.(gid);
    process.setuid?.(uid);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (NODE_REFUSES.test(code ?? '')) return false;
    const who = name ?? String(uid);
    const hint = `in a container, start it as that user: --user ${uid}:${gid}`;
    throw new WrongUser(`root may not become ${who} here (${code}); ${hint}`, { cause: error });
  }
  giveHome(account, env);
  return true;
}

function giveHome({ name, home }: Account, env: NodeJS.ProcessEnv): void {
  for (const variable of OF_ROOT) delete env[variable];
  if (home !== undefined) env['HOME'] = home;
  if (name !== undefined) Object.assign(env, { USER: name, LOGNAME: name });
}

/**
 * Starts this program once more as the user, by setpriv(1) of util-linux, and waits for its end.
 * @param args of the command line
 * @param files that are open already; the program gets them under descriptors from 3 on, in this order
 * @returns its exit status
 * @throws WrongUser
 */
export function startAgainAs(
  account: Account,
  extraGroups: readonly number[],
  { args, env, files }: { args: readonly string[]; env: NodeJS.ProcessEnv; files: readonly number[] },
): number {
  const { uid, gid, name } = account;
  const own = name === undefined ? [] : groupsWith(name);
  const groups = [...new Set([gid, ...own, ...extraGroups])].filter((group) => group !== 0 || gid === 0);
  const user = ['--reuid', String(uid), '--regid', String(gid), '--groups', groups.join(',')];
  // A single executable is its own script, and has no flags of Node.
  const script = isSea() ? [] : [...process.execArgv, process.argv[1] ?? ''];
  const program = [process.execPath, ...script, ...args];
  giveHome(account, env);
  const words = [...user, '--pdeathsig', 'TERM', '--', ...program];
  const { error, status } = spawnSync('setpriv', words, {
    stdio: ['inherit', 'inherit', 'inherit', ...files],
    env,
  });
  if (error === undefined) return status ?? 1;
  const why = 'setpriv(1), by which root does it here, cannot be started; install util-linux';
  throw new WrongUser(`root may not become ${name ?? uid} here: ${why}`, { cause: error });
}
