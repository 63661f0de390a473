/**
 * STORYBOARD of `sync --wait`, before HAProxy starts: pass after pass until the first certificates are on disk.
 * What was there before is enough: HAProxy shall not wait for a bucket when it has something to serve, and `run`
 * brings the news later. Never a call to a CA.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '#common/config-error.ts';
import { codeOf } from '#contract/errors.ts';
import type { Agent, PassOptions, PassResult } from '../agent.ts';
import { EXIT } from '../cli/output.ts';
import type { AgentConfig } from '../config/config.ts';
import { pemFactsOf } from '../deploy/pem-facts.ts';
import { installPlaceholder, PLACEHOLDER_FILE } from '../deploy/placeholder.ts';
import { isRuntimeErrorCode } from '../errors.ts';
import { crtListFileOf, viewCrtList } from '../haproxy/crt-list-file.ts';
import { sync } from '../pass/sync.ts';

/** Growing, then steady. */
const PAUSES_MS = [1000, 2000, 4000, 8000];

/** Of `--wait` without a number. */
export const DEFAULT_WAIT_SECONDS = 120;

/** @returns milliseconds, `undefined` if nobody wants to wait */
export function waitOf(seconds: unknown, isDryRun: boolean): number | undefined {
  if (seconds === undefined) return undefined;
  if (isDryRun || !/^\d{1,5}$/.test(String(seconds)))
    throw new ConfigError('ERR_USAGE', '--wait=SECONDS takes a number, and does not go with --dry-run');
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
    const result = await sync(agent, { ...options, isBeforeStart: true });
    const hosts = await Promise.all((agent.instances ?? [agent]).map(lookAtHost));
    const bare = hosts.filter(({ files }) => files?.every((file) => file === PLACEHOLDER_FILE));
    if (bare.length === 0) return bootable(agent, result, hosts);
    const leftMs = deadline - agent.now().getTime();
    if (options.signal?.aborted) return { result, code: EXIT.failure };
    if (leftMs <= 0) return { result, code: await withoutAny(bare, hosts) };
    agent.log('boot.waiting', {
      code: result.error === undefined ? undefined : codeOf(result.error),
      seconds: Math.ceil(leftMs / 1000),
    });
    await sleep(Math.min(leftMs, PAUSES_MS[Math.min(turn, PAUSES_MS.length - 1)] ?? 0));
  }
}

/** One HAProxy that is to start. */
interface Host {
  one: Agent;
  /** With which it would start; `undefined`: its directory cannot be read, and waiting does not mend that. */
  files: string[] | undefined;
}

async function lookAtHost(one: Agent): Promise<Host> {
  return { one, files: await certificatesIn(one.config).catch(() => undefined) };
}

const isBroken = ({ files }: Host) => files === undefined;

/** Each has something to start with, or never will. */
function bootable(agent: Agent, result: PassResult, hosts: readonly Host[]): BootResult {
  const { error, status } = result;
  const code = error === undefined ? undefined : codeOf(error);
  // HAProxy is not expected to run yet.
  const isRead = code === undefined || isRuntimeErrorCode(code);
  if (isRead && status.files.some(({ disk }) => disk !== undefined))
    return { result, code: exitStatusOfBoot(result) };
  const files = hosts.reduce((count, host) => count + (host.files?.length ?? 0), 0);
  agent.log('boot.last-good', { files, code });
  return { result, code: hosts.some(isBroken) ? EXIT.failure : EXIT.ok };
}

function exitStatusOfBoot({ status }: PassResult): number {
  return status.files.every(({ disk, wanted }) => disk?.sha256 === wanted.sha256) ? EXIT.ok : EXIT.partly;
}

async function withoutAny(bare: readonly Host[], hosts: readonly Host[]): Promise<number> {
  const allowed = bare.filter(({ one }) => one.config.haproxy.placeholder);
  for (const { one, files } of allowed) if (!files?.includes(PLACEHOLDER_FILE)) await installPlaceholder(one);
  return allowed.length === bare.length && !hosts.some(isBroken) ? EXIT.ok : EXIT.failure;
}

/** Files with which HAProxy would start; beside a crt-list, only those that it names count. */
async function certificatesIn(config: AgentConfig): Promise<string[]> {
  const { certsDir } = config.haproxy;
  const names = await readdir(certsDir);
  const list = crtListFileOf(config);
  const tails = list && (await viewCrtList(list, names));
  const good: string[] = [];
  for (const name of names) {
    if (name.startsWith('.') || /\.(key|ocsp|issuer|sctl)$/.test(name)) continue;
    if (tails?.get(name)?.length === 0) continue;
    const text = await readFile(join(certsDir, name), 'utf8').catch(() => '');
    if (pemFactsOf(text).problem === undefined) good.push(name);
  }
  return good;
}
