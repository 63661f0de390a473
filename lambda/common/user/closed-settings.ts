/** Whether a service's user can read its settings: root, who types `doctor`, reads all. */
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Account, groupNamed, groupsWith } from './accounts.ts';
import { bitsText } from './owner-faults.ts';
import type { Repair } from './repair.ts';

/** A file of settings that the service's user cannot read; no secret stands in it, so everybody may. */
export interface ClosedSettings {
  seen: string;
  fix: string;
  repairs: readonly Repair[];
}

/** @param doctor the command line of doctor, which mends it as root @returns undefined: the user reads it, or there is no file */
export async function closedSettings(
  file: string,
  user: Account | undefined,
  doctor: string,
): Promise<ClosedSettings | undefined> {
  const path = await realpath(file).catch(() => undefined);
  if (path === undefined || user === undefined || user.uid === 0) return undefined;
  const directory = dirname(path);
  const [ofFile, ofDirectory] = [await stat(path), await stat(directory)];
  const who = user.name ?? `uid ${user.uid}`;
  const saw = (what: string, mode: number) =>
    `${who}, as whom the unit runs, cannot read ${file}: ${what} has mode ${bitsText(mode)}`;
  // A directory may hold more than settings: whoever has shut it opens it.
  if (!mayUse(ofDirectory, user, 0o1)) {
    return { seen: saw(directory, ofDirectory.mode), fix: `chmod a+x ${directory}`, repairs: [] };
  }
  if (mayUse(ofFile, user, 0o4)) return undefined;
  const repairs = [{ path, within: directory, mode: ((ofFile.mode & 0o7777) | 0o644) & ~0o022 }];
  return { seen: saw(path, ofFile.mode), fix: `as root: ${doctor} --fix, or chmod 0644 ${path}`, repairs };
}

/** The unit of the agent has HAProxy's group beside the user's own ones. */
function mayUse(
  { uid, gid, mode }: { uid: number; gid: number; mode: number },
  user: Account,
  bit: number,
): boolean {
  if (uid === user.uid) return (mode & (bit << 6)) !== 0;
  const groups = [user.gid, ...groupsWith(user.name ?? ''), groupNamed('haproxy')];
  return (mode & (groups.includes(gid) ? bit << 3 : bit)) !== 0;
}
