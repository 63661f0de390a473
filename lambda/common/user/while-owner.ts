/** Root works in the directory of another user with that user's rights, and is root again: what it makes there is the user's. */
import { stat } from 'node:fs/promises';
import { type Account, accountOf, groupsWith } from './accounts.ts';
import { NODE_REFUSES } from './become.ts';

/**
 * For root in a directory of somebody else; anybody else works as who he is.
 * @param work gets false where Node lets nobody change the user (Debian 13's): it is root's then, and must only read
 */
export async function whileOwnerOf<T>(
  directory: string | undefined,
  work: (isOwner: boolean) => Promise<T>,
): Promise<T> {
  const owner = directory === undefined || process.geteuid?.() !== 0 ? undefined : await ownerOf(directory);
  if (owner === undefined || owner.uid === 0) return work(true);
  const [gid, groups] = [process.getegid?.() ?? 0, process.getgroups?.() ?? []];
  if (!takeRightsOf(owner)) return work(false);
  try {
    return await work(true);
  } finally {
    process.seteuid?.(0);
    process.setegid?.(gid);
    process.setgroups?.(groups);
  }
}

async function ownerOf(directory: string): Promise<Account | undefined> {
  try {
    const { uid, gid } = await stat(directory);
    return accountOf(uid, gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @returns false where Node refuses: nothing has changed */
function takeRightsOf({ uid, gid, name }: Account): boolean {
  const own = name === undefined ? [] : groupsWith(name);
  try {
    process.setgroups?.([...new Set([gid, ...own])].filter((group) => group !== 0 || gid === 0));
  } catch (error) {
    if (NODE_REFUSES.test((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
  process.setegid?.(gid);
  process.seteuid?.(uid);
  return true;
}
