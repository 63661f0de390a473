/** Gives up root for good: groups, group, user, in this order, and no way back. */
import type { Account } from './accounts.ts';
import { WrongUser } from './wrong-user.ts';

/** Node has it, and its types do not. */
const { initgroups }: { initgroups?: (user: string, extraGroup: number) => void } = process as object;

const OF_ROOT = ['HOME', 'USER', 'LOGNAME', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME'];

/**
 * @param extraGroups that the unit gives beside the user's own
 * @param env gets the home and the name of the user: what root has in its home is not the user's
 * @throws WrongUser where the machine does not let root become another user
 */
export function become(account: Account, extraGroups: readonly number[], env: NodeJS.ProcessEnv): void {
  const { uid, gid, name, home } = account;
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
    const who = name ?? String(uid);
    const hint = `in a container, start it as that user: --user ${uid}:${gid}`;
    throw new WrongUser(`root may not become ${who} here (${code}); ${hint}`, { cause: error });
  }
  for (const variable of OF_ROOT) delete env[variable];
  if (home !== undefined) env['HOME'] = home;
  if (name !== undefined) Object.assign(env, { USER: name, LOGNAME: name });
}
