/**
 * Whether a directory that the settings name is pemfleet's alone. What gives files to one user and shuts them for others works in no directory
 * of the system, and in none where other programs have their files: a slip in the settings must not take a machine's files away.
 */
import { readdir } from 'node:fs/promises';

/** Whether pemfleet makes an entry of this name at the top of the directory. */
export type IsOwnName = (name: string) => boolean;

/** hier(7): those of the system, and those in which each user or program has its own. */
const SYSTEM =
  /^\/((bin|boot|dev|etc|home|lib(32|64|x32)?|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)?|(boot|dev|proc|sys)\/.+|(etc|home|usr|usr\/local)\/[^/]+|run\/(lock|user)|var\/(backups|cache|crash|lib|local|lock|log|mail|opt|run|spool|tmp|www))$/;

/** Of locks, and of files that are being written. */
const PASSING = /^\.(tmp|lock|lock-.+|pemfleet-.+|.+\.pemfleet-tmp)$/;

export const ownNames =
  (names: readonly string[]): IsOwnName =>
  (name) =>
    names.includes(name) || PASSING.test(name);

/** The root of an own file system has it. */
const ofFileSystem = (name: string) => name === 'lost+found';

/** @param path absolute, without links @returns why nothing in it may be given away or shut; undefined: it is pemfleet's alone */
export async function sharedWith(path: string, isOwn: IsOwnName): Promise<string | undefined> {
  if (SYSTEM.test(path)) return `${path} is a directory of the system`;
  const names = await readdir(path).catch(() => []);
  const strange = names.filter((name) => !isOwn(name) && !ofFileSystem(name)).sort();
  return strange.length === 0 ? undefined : `${path} holds ${strange[0]}, which is not pemfleet's`;
}
