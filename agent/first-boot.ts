/**
 * STORYBOARD of `sync --wait`, before HAProxy starts: pass after pass until the first certificates are on disk.
 * What was there before is enough: HAProxy shall not wait for a bucket when it has something to serve, and `run`
 * brings the news later. Never a call to a CA.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '#contract/errors.ts';
import type { Agent, PassOptions, PassResult } from './agent.ts';
import { ConfigError } from './errors.ts';
import { pemFactsOf } from './pem-facts.ts';
import { installPlaceholder, PLACEHOLDER_FILE } from './placeholder.ts';
import { EXIT } from './show.ts';
import { sync } from './sync.ts';

/** Growing, then steady. */
const PAUSES_MS = [1000, 2000, 4000, 8000];

/** Of `--wait` without a number. */
export const DEFAULT_WAIT_SECONDS = 120;

/** @returns milliseconds, `undefined` if nobody wants to wait */
export function waitOf(seconds: unknown, isDryRun: boolean): number | undefined {
  if (seconds === undefined) return undefined;
  if (isDryRun || !/^\d{1,5}$/.test(String(seconds)))
    throw new ConfigError('ERR_USAGE', '--wait=SECONDS takes a number, and no --dry-run');
  return Number(seconds) * 1000;
}

export interface Wait {
  waitMs: number;
  sleep: (ms: number) => Promise<void>;
  options: PassOptions;
}

export interface BootResult {
  result: PassResult;
  code: number;
}

/** @throws HostError `ERR_CERTS_DIRECTORY`, `ERR_STATE_DIRECTORY`: waiting does not mend them */
export async function firstBoot(agent: Agent, { waitMs, sleep, options }: Wait): Promise<BootResult> {
  const deadline = agent.now().getTime() + waitMs;
  for (let turn = 0; ; turn += 1) {
    const result = await sync(agent, options);
    if (isNewsInstalled(result)) return { result, code: exitStatusOfBoot(result) };
    const files = await certificatesIn(agent.config.haproxy.certsDir);
    if (files.some((file) => file !== PLACEHOLDER_FILE)) return lastGood(agent, result, files);
    const leftMs = deadline - agent.now().getTime();
    if (options.signal?.aborted) return { result, code: EXIT.failure };
    if (leftMs <= 0) return { result, code: await withoutAny(agent, files) };
    agent.log('boot.waiting', {
      code: result.error === undefined ? undefined : codeOf(result.error),
      seconds: Math.ceil(leftMs / 1000),
    });
    await sleep(Math.min(leftMs, PAUSES_MS[Math.min(turn, PAUSES_MS.length - 1)] ?? 0));
  }
}

/** HAProxy is not expected to run yet. */
function isNewsInstalled({ error, status }: PassResult): boolean {
  const isRead = error === undefined || codeOf(error).startsWith('ERR_RUNTIME_');
  return isRead && status.files.some(({ disk }) => disk !== undefined);
}

function exitStatusOfBoot({ status }: PassResult): number {
  return status.files.every(({ disk, wanted }) => disk?.sha256 === wanted.sha256) ? EXIT.ok : EXIT.partly;
}

function lastGood(agent: Agent, result: PassResult, files: readonly string[]): BootResult {
  const code = result.error === undefined ? undefined : codeOf(result.error);
  agent.log('boot.last-good', { files: files.length, code });
  return { result, code: EXIT.ok };
}

async function withoutAny(agent: Agent, files: readonly string[]): Promise<number> {
  if (!agent.config.haproxy.placeholder) return EXIT.failure;
  if (!files.includes(PLACEHOLDER_FILE)) await installPlaceholder(agent);
  return EXIT.ok;
}

/** Files with which HAProxy would start. */
async function certificatesIn(directory: string): Promise<string[]> {
  const good: string[] = [];
  for (const name of await readdir(directory)) {
    if (name.startsWith('.') || /\.(key|ocsp|issuer|sctl)$/.test(name)) continue;
    const text = await readFile(join(directory, name), 'utf8').catch(() => '');
    if (pemFactsOf(text).problem === undefined) good.push(name);
  }
  return good;
}
