/** systemd's drop-ins that let the units write where pemfleet.yaml and agent.yaml say. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type DropIn, unitDropIns } from '#common/systemd/drop-ins.ts';
import { type DirectoryChange, type FileChange, readState } from './apply/file-change.ts';
import type { Setup } from './setup.ts';

export interface DropInChanges {
  files: readonly FileChange[];
  directories: readonly DirectoryChange[];
}

/** What the units run with. */
const UNITS_CONFIG = '/etc/pemfleet/pemfleet.yaml';

/** Where there is no systemd there are no units. */
export async function dropInChanges(
  configFile: string,
  { bucket, certsDir }: Pick<Setup, 'bucket' | 'certsDir'>,
): Promise<DropInChanges> {
  if (configFile !== UNITS_CONFIG || !existsSync('/etc/systemd/system'))
    return { files: [], directories: [] };
  const wanted = [
    ...unitDropIns('issuer', { bucket, writes: [] }),
    ...unitDropIns('agent', { bucket, writes: [certsDir] }),
  ];
  const changes = await Promise.all(wanted.map(changeOf));
  const files = changes.filter((one) => one !== undefined);
  const made = files.filter(({ body }) => body !== undefined).map(({ path }) => dirname(path));
  return { files, directories: [...new Set(made)].map((path) => ({ path, mode: 0o755, uid: 0, gid: 0 })) };
}

async function changeOf({ path, text }: DropIn): Promise<FileChange | undefined> {
  const state = await readState(path);
  const body = text === undefined ? undefined : Buffer.from(text);
  const isSame = body === undefined ? state === undefined : state?.body.equals(body);
  return isSame ? undefined : { path, body, mode: 0o644, uid: 0, gid: 0 };
}
