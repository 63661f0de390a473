// The agent's own program, as it ships (one file) or in this process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { openBucket } from '#storage/open.ts';
import type { Agent } from '../../../agent/agent.ts';
import { exitStatusOf } from '../../../agent/cli/exit-status.ts';
import { resultDocument } from '../../../agent/cli/output.ts';
import { loadAgentConfig } from '../../../agent/config/config.ts';
import { Runtime } from '../../../agent/haproxy/runtime.ts';
import { openSocket } from '../../../agent/haproxy/socket.ts';
import { type Log, lineLog } from '../../../agent/log.ts';
import { adopt } from '../../../agent/pass/adopt.ts';
import { syncHost } from '../../../agent/pass/instances.ts';
import { errorFields } from '../../../agent/pass/log-outcome.ts';
import { newMemory } from '../../../agent/state/memory.ts';
import { until } from '../process.ts';
import { makeTempDir } from '../temp-dir.ts';
import { host } from './host.ts';

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface SpawnOptions {
  /** more flags; they come after the stage's own */
  args?: string[];
  env?: Record<string, string>;
  /** ES module loaded before the agent */
  preload?: string;
  /** as `Nice=` of a unit */
  niceness?: number;
  /** words before the program: another user, another namespace */
  through?: string[];
}

let bundle: string | undefined;

/** The agent as it ships: one file. Built once a test process. */
export function agentProgram(): string {
  if (bundle !== undefined) return bundle;
  bundle = join(makeTempDir().path, 'agent.mjs');
  buildSync({
    entryPoints: ['agent/main.ts'],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    banner: {
      js: "import{createRequire as pemfleetCreateRequire}from'node:module';const require=pemfleetCreateRequire(import.meta.url);",
    },
  });
  return bundle;
}

export async function spawnAgent(args: string[], options: SpawnOptions = {}): Promise<Finished> {
  const { child, output } = startAgent(args, options);
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, ...output };
}

export function startAgent(args: string[], { env, preload, niceness = 0, through = [] }: SpawnOptions = {}) {
  const imports = preload === undefined ? [] : ['--import', pathToFileURL(preload).href];
  // nice(1) becomes the program: the pid stays
  const nice = ['-n', String(niceness), process.execPath];
  const [program = '', ...words] = [...through, 'nice', ...nice, ...imports, agentProgram(), ...args];
  const child = spawn(program, words, {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  /** Resolves when its log has these words so many times; rejects when it ends before. */
  const said = (words: string, times = 1, deadlineMs = 60_000) =>
    until(
      async () => output.stderr.split(words).length > times,
      () => (child.exitCode === null ? undefined : output.stderr.slice(-2000)),
      deadlineMs,
    );
  return { child, output, said };
}

/** The agent in this process, with flags as on its command line. */
export async function agentHere(
  flags: readonly string[],
  log: Log,
  changes: Partial<Agent> = {},
): Promise<Agent> {
  const pairs = flags.flatMap((word, index) => (index % 2 === 0 ? [[word.slice(2), flags[index + 1]]] : []));
  const config = await loadAgentConfig({ flags: Object.fromEntries(pairs), env: {}, hostname: host });
  const socket = openSocket({ path: config.haproxy.statsSocket, timeoutMs: 8000 });
  const runtime = new Runtime(socket, (ms) => new Promise((resolve) => setTimeout(resolve, ms)));
  const bucket = () => openBucket(config.bucket);
  return {
    config,
    version: '0',
    openBucket: bucket,
    runtime,
    memory: newMemory(),
    log,
    now: () => new Date(),
    ...changes,
  };
}

/** `pemfleet-agent sync` with these flags, but for the program around it, whose start takes longer than the pass. */
export async function passHere(words: readonly string[]): Promise<Finished> {
  const lines: string[] = [];
  const log = lineLog((line) => lines.push(line), false);
  const agent = await agentHere(
    words.filter((word) => word !== '--json' && word !== '--retry'),
    log,
  );
  const result = await syncHost(agent, { ignoresBackOff: words.includes('--retry') }).catch(
    (error: unknown) => void log('run.failed', errorFields(error)),
  );
  const document = result && words.includes('--json') ? JSON.stringify(resultDocument(result, false)) : '';
  return { code: result ? exitStatusOf(result) : 1, signal: null, stdout: document, stderr: lines.join('') };
}

/** `pemfleet-agent adopt` with these flags. */
export async function adoptHere(flags: readonly string[], words: readonly string[]): Promise<void> {
  const adoptions = await adopt(await agentHere(flags, () => undefined), words, false);
  const refused = adoptions.filter(({ kind }) => kind === 'refused');
  if (refused.length > 0)
    throw new Error(refused.map(({ word, message }) => `${word}: ${message}`).join('\n'));
}
