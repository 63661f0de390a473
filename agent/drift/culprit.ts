/** Who has changed something of ours, as far as this host tells: a file has an owner and a time, a reload a Pid and a start. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentConfig } from '../config/config.ts';
import { ownerNameOf } from '../config/owner.ts';
import { stapleFileOf } from '../desired/files.ts';
import type { ProcessState } from '../haproxy/answers.ts';
import type { DetectedDrift } from './detect.ts';

/** @param worker that runs now, where it is another than the last pass has left */
export async function culpritOf(
  { place, file }: DetectedDrift,
  { certsDir, crtListFile }: AgentConfig['haproxy'],
  worker: ProcessState | undefined,
): Promise<string> {
  const paths = {
    file: join(certsDir, file),
    staple: join(certsDir, stapleFileOf(file)),
    'crt-list': crtListFile,
    haproxy: undefined,
  };
  const path = paths[place];
  const owner = path && (await describeOwner(path));
  const reload =
    worker && `reload: Pid ${worker.pid}${worker.startedAt ? `, started ${worker.startedAt}` : ''}`;
  const byCommand = place === 'haproxy' && reload === undefined ? 'Runtime API, unknown process' : undefined;
  return [owner, reload, byCommand].filter((part) => part !== undefined).join('; ') || 'unknown';
}

/** `ctime`: a copy that keeps its old `mtime` is new all the same. */
async function describeOwner(path: string): Promise<string | undefined> {
  const stats = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
  if (stats === undefined) return undefined;
  return `file of ${await ownerNameOf(stats.uid)} (uid ${stats.uid}), changed ${stats.ctime.toISOString()}`;
}
