/** A symbolic link in the place of what is there, in one step: who opens the path meanwhile finds the one or the other. */
import { lchown, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Where the new link stands until it is renamed: what a program that was killed in between has left. */
export const linkTempOf = (path: string): string => join(dirname(path), `.${basename(path)}.pemfleet-link`);

/** @param owner default: who runs this program */
export async function replaceLink(
  path: string,
  target: string,
  owner?: { uid: number; gid: number },
): Promise<void> {
  const temp = linkTempOf(path);
  await rm(temp, { force: true });
  await symlink(target, temp);
  if (owner !== undefined) await lchown(temp, owner.uid, owner.gid);
  await rename(temp, path);
}
