/**
 * A bind without `strict-sni` cannot start with an empty directory. At a first boot without any certificate, the agent
 * installs a self-signed one for a name that cannot exist, until the first real one is there. No CA is involved.
 */
import { join } from 'node:path';
import { selfSigned } from '#common/self-signed.ts';
import { DAY_MS } from '#common/time.ts';
import { codeOf } from '#contract/errors.ts';
import type { Agent } from '../agent.ts';
import { crtListFileOf, writeTails } from '../haproxy/crt-list-file.ts';
import { viewHaproxy } from '../haproxy/view.ts';
import { readPlainFile, viewFile } from './disk.ts';
import { notOurs } from './foreign-file.ts';
import { dropPrevious, install, removeDurably } from './install.ts';
import { unload } from './load.ts';
import { pemFactsOf } from './pem-facts.ts';

/** In capitals: no certificate name can become this file. */
export const PLACEHOLDER_FILE = 'PLACEHOLDER.pem';
/** No host can have a name under `.invalid` (RFC 6761 §6.4), so it shares none with a real certificate. */
const NAME = 'pemfleet-placeholder.invalid';

/** @throws HostError `ERR_INSTALL_NOT_OURS`: another program's file has the name */
export async function installPlaceholder({ config, log, now }: Agent): Promise<void> {
  const at = now().getTime();
  const pem = selfSigned(NAME, new Date(at - DAY_MS), new Date(at + 365 * DAY_MS));
  const path = join(config.haproxy.certsDir, PLACEHOLDER_FILE);
  if (viewFile(path, config.pem) !== undefined && !isOurs(path)) throw await notOurs(path, undefined);
  await install(path, Buffer.from(pem), config.pem);
  await dropPrevious(path);
  const list = crtListFileOf(config);
  if (list !== undefined) await writeTails(list, new Map([[PLACEHOLDER_FILE, ['']]]));
  log('placeholder.installed', { file: PLACEHOLDER_FILE });
}

/** To call when a real certificate is on disk. Takes it out of HAProxy first, if HAProxy can be reached. */
export async function retirePlaceholder(agent: Agent): Promise<void> {
  const path = join(agent.config.haproxy.certsDir, PLACEHOLDER_FILE);
  if (!isOurs(path)) return;
  const code = await unloadPlaceholder(agent).then(() => undefined, codeOf);
  const list = crtListFileOf(agent.config);
  if (list !== undefined) await writeTails(list, new Map([[PLACEHOLDER_FILE, []]]));
  await removeDurably(path);
  // HAProxy keeps it as a bind's default certificate until its next reload: clients that send no name get it.
  agent.log('placeholder.removed', { file: PLACEHOLDER_FILE, code });
}

/** Nobody else has a certificate for this name, and only for it. */
function isOurs(path: string): boolean {
  try {
    const { names } = pemFactsOf(readPlainFile(path).toString('utf8'));
    return names.length > 0 && names.every((name) => name === NAME);
  } catch {
    return false;
  }
}

async function unloadPlaceholder({ runtime, config }: Agent): Promise<void> {
  const { files } = await viewHaproxy(runtime, config.haproxy, new Map([[PLACEHOLDER_FILE, []]]));
  for (const runtimeFile of files.get(PLACEHOLDER_FILE) ?? []) await unload(runtime, runtimeFile);
}
