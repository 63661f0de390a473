/** Turns user and group names into numbers, by the host's /etc/passwd and /etc/group. */
import { ConfigError } from '#common/config-error.ts';
import { MAX_FOREIGN_BYTES } from '#contract/limits.ts';
import { readRegularFile } from '#storage/atomic-file.ts';

export const uidOf = (owner: string | undefined) => idOf('/etc/passwd', 'pem.owner', owner);
export const gidOf = (group: string | undefined) => idOf('/etc/group', 'pem.group', group);

async function idOf(database: string, key: string, name: string | undefined): Promise<number | undefined> {
  if (name === undefined) return undefined;
  if (/^\d+$/.test(name)) return Number(name);
  const lines = (await textOf(database)).split('\n').map((line) => line.split(':'));
  const id = lines.find(([candidate]) => candidate === name)?.[2];
  if (id === undefined) throw new ConfigError('ERR_CONFIG', `${key}: ${database} has no ${name}`);
  return Number(id);
}

/** @returns the user's name, or its number where /etc/passwd has none */
export async function ownerNameOf(uid: number): Promise<string> {
  const text = await textOf('/etc/passwd').catch(() => '');
  const lines = text.split('\n').map((line) => line.split(':'));
  return lines.find(([, , id]) => id === String(uid))?.[0] ?? String(uid);
}

async function textOf(database: string): Promise<string> {
  return (await readRegularFile(database, MAX_FOREIGN_BYTES)).toString('utf8');
}
