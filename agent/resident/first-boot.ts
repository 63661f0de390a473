/**
 * STORYBOARD of `sync --wait`, before HAProxy starts: it makes passes until the first certificates are on disk. Those
 * of an earlier boot are enough, because HAProxy must not wait for a bucket when it has something to serve: `run`
 * updates them later. It never calls a CA.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SECOND_MS } from '#common/time.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { Agent, PassOptions, PassResult } from '../agent.ts';
import { EXIT } from '../cli/exit-status.ts';
import type { AgentConfig } from '../config/config.ts';
import { MAX_READ_BYTES } from '../deploy/disk.ts';
import { pemFactsOf } from '../deploy/pem-facts.ts';
import { installPlaceholder, PLACEHOLDER_FILE } from '../deploy/placeholder.ts';
import { crtListFileOf, viewCrtList } from '../haproxy/crt-list-file.ts';
import { syncHost } from '../pass/instances.ts';
import { errorFields } from '../pass/log-outcome.ts';
import { isRuntimeErrorCode } from '../reactions.ts';

/** Pauses between the passes; the last one repeats. */
const PAUSES_MS = [1, 2, 4, 8].map((seconds) => seconds * SECOND_MS);

export interface FirstBootOptions {
  waitMs: number;
  sleep: (ms: number) => Promise<void>;
  passOptions: PassOptions;
}

export interface BootResult {
  result: PassResult;
  exitStatus: number;
}

/** @throws HostError `ERR_CERTS_DIRECTORY`: waiting does not mend it */
export async function firstBoot(
  agent: Agent,
  { waitMs, sleep, passOptions }: FirstBootOptions,
): Promise<BootResult> {
  // By a clock that nobody sets: at a boot, NTP sets the other one.
  const deadline = performance.now() + waitMs;
  for (let attempt = 0; ; attempt += 1) {
    const result = await syncHost(agent, { ...passOptions, isBeforeStart: true });
    const instances = await Promise.all((agent.instances ?? [agent]).map(readInstance));
    const bare = instances.filter(({ files }) => files?.every((file) => file === PLACEHOLDER_FILE));
    if (bare.length === 0) return bootResult(agent, result, instances);
    const leftMs = deadline - performance.now();
    if (passOptions.signal?.aborted) return { result, exitStatus: EXIT.failure };
    if (leftMs <= 0) return { result, exitStatus: await installPlaceholders(bare, instances) };
    agent.log('boot.waiting', {
      code: result.error?.code,
      seconds: Math.ceil(leftMs / SECOND_MS),
    });
    await sleep(Math.min(leftMs, PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)] ?? 0));
  }
}

/** One HAProxy that is about to start. */
interface BootingInstance {
  instance: Agent;
  /** Certificates with which it would start; `undefined` if its directory cannot be read, which waiting does not mend. */
  files: string[] | undefined;
}

async function readInstance(instance: Agent): Promise<BootingInstance> {
  return { instance, files: await certificatesIn(instance.config).catch(() => undefined) };
}

const isUnreadable = ({ files }: BootingInstance) => files === undefined;

/** Each HAProxy has a certificate to start with, or waiting cannot give it one. */
function bootResult(agent: Agent, result: PassResult, instances: readonly BootingInstance[]): BootResult {
  const { error, status } = result;
  const code = error?.code;
  // HAProxy is not expected to run yet.
  const isRead = code === undefined || isRuntimeErrorCode(code);
  if (isRead && status.files.some(({ disk }) => disk !== undefined)) {
    return { result, exitStatus: exitStatusOfBoot(result) };
  }
  const files = instances.reduce((count, instance) => count + (instance.files?.length ?? 0), 0);
  agent.log('boot.last-good', { files, code });
  return { result, exitStatus: instances.some(isUnreadable) ? EXIT.failure : EXIT.ok };
}

function exitStatusOfBoot({ status }: PassResult): number {
  return status.files.every(({ disk, wanted }) => disk?.sha256 === wanted.sha256) ? EXIT.ok : EXIT.partly;
}

/** The time is up: where the settings allow it, a placeholder takes the place of the certificates. */
async function installPlaceholders(
  bare: readonly BootingInstance[],
  instances: readonly BootingInstance[],
): Promise<number> {
  const allowed = bare.filter(({ instance }) => instance.config.haproxy.placeholder);
  let isEachPlaced = allowed.length === bare.length;
  for (const { instance, files } of allowed) {
    if (files?.includes(PLACEHOLDER_FILE)) continue;
    await installPlaceholder(instance).catch((error: unknown) => {
      isEachPlaced = false;
      instance.log('run.failed', { instance: instance.config.haproxy.name, ...errorFields(error) });
    });
  }
  return isEachPlaced && !instances.some(isUnreadable) ? EXIT.ok : EXIT.failure;
}

/** Files with which HAProxy would start: of the directory, or of those that the crt-list names. */
async function certificatesIn(config: AgentConfig): Promise<string[]> {
  const { certsDir } = config.haproxy;
  const names = await readdir(certsDir);
  const list = crtListFileOf(config);
  const tails = list && (await viewCrtList(list, names));
  const loadable: string[] = [];
  for (const name of names) {
    if (name.startsWith('.') || /\.(key|ocsp|issuer|sctl)$/.test(name)) continue;
    if (tails?.get(name)?.length === 0) continue;
    const body = await readRegularFile(join(certsDir, name), MAX_READ_BYTES).catch(() => '');
    const text = body.toString();
    if (pemFactsOf(text).problem === undefined) loadable.push(name);
  }
  return loadable;
}
