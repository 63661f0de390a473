/** Users and groups of this machine, by /etc/passwd and /etc/group. */
import { readFileSync } from 'node:fs';

export interface Account {
  uid: number;
  gid: number;
  /** Absent: a number without a name, as in containers. */
  name?: string;
  home?: string;
}

const PASSWD = '/etc/passwd';
const GROUP = '/etc/group';

/** passwd(5) and group(5); a machine without them has numbers only. */
function linesOf(database: string): string[][] {
  let text = '';
  try {
    text = readFileSync(database, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return text.split('\n').map((line) => line.split(':'));
}

function accountWhere(isMatch: (name: string, uid: string) => boolean): Account | undefined {
  const line = linesOf(PASSWD).find(([name = '', , uid = '']) => /^\d+$/.test(uid) && isMatch(name, uid));
  if (line === undefined) return undefined;
  const [name = '', , uid, gid, , home = ''] = line;
  return { uid: Number(uid), gid: Number(gid), name, home };
}

export const accountNamed = (name: string): Account | undefined =>
  accountWhere((candidate) => candidate === name);

/** @param gid of a user that has no name */
export const accountOf = (uid: number, gid: number): Account =>
  accountWhere((_name, id) => id === String(uid)) ?? { uid, gid };

/** @returns the user's name, or `uid 1000` */
export const userName = (uid: number): string => accountOf(uid, uid).name ?? `uid ${uid}`;

/** Numbers of the groups that name the user as a member. */
export const groupsWith = (user: string): number[] =>
  linesOf(GROUP).flatMap(([, , id, members = '']) => (members.split(',').includes(user) ? [Number(id)] : []));

/** @returns the group's name */
export const groupName = (gid: number): string | undefined =>
  linesOf(GROUP).find(([, , id]) => id === String(gid))?.[0];

/** @returns the group's number */
export function groupNamed(name: string): number | undefined {
  const id = linesOf(GROUP).find(([candidate]) => candidate === name)?.[2];
  return id === undefined ? undefined : Number(id);
}
