/** Users and groups of this machine, from passwd(5) and group(5). */
import { readFileSync } from 'node:fs';

export interface Owner {
  name: string;
  uid: number;
  gid: number;
}

export function userNamed(name: string): Owner | undefined {
  const [, , uid, gid] = rowOf('/etc/passwd', 0, name) ?? [];
  return uid === undefined ? undefined : { name, uid: Number(uid), gid: Number(gid) };
}

export const hasGroup = (name: string): boolean => rowOf('/etc/group', 0, name) !== undefined;

export const groupOfId = (gid: number): string | undefined => rowOf('/etc/group', 2, String(gid))?.[0];

function rowOf(file: string, column: number, value: string): string[] | undefined {
  const rows = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  return rows.find((row) => row[column] === value);
}
