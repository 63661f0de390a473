// A HAProxy that loads by a crt-list file, which is there before it starts.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { HaproxyVersion } from '../parts/haproxy.ts';
import { byList } from './configs.ts';
import { makeStage, type Stage } from './stage.ts';
import { makeWorkDir } from './work-dir.ts';

interface ListOptions {
  /** The file, below HAProxy's work directory. */
  at?: string;
  text?: string;
  masterWorker?: boolean;
}

/** @returns the list's path beside the stage; the agent's flags do not name it */
export async function makeListed(
  t: TestContext,
  version: HaproxyVersion,
  { at = 'certs/list.txt', text = '', masterWorker = false }: ListOptions = {},
): Promise<{ stage: Stage; list: string }> {
  const { workDir } = makeWorkDir(t);
  const list = join(workDir, at);
  mkdirSync(dirname(list), { recursive: true });
  writeFileSync(list, text);
  return { stage: await makeStage(t, { version, workDir, configText: byList(list), masterWorker }), list };
}
