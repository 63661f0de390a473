// An execution environment of Lambda: one process that answers one event at a time. It rests (SIGSTOP) between two events, and is
// killed when an event takes too long or the process too much memory.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type RuntimeAnswer, type RuntimeApi, type RuntimeEvent, startRuntimeApi } from './runtime-api.ts';

export interface EnvironmentOptions {
  /** all that the process finds, but for the address of the Runtime API */
  env: Record<string, string>;
  memoryMb: number;
  onLog(line: string): void;
}

export interface Environment {
  /** how long the handler took to load */
  initMs: number;
  run(event: RuntimeEvent): Promise<RuntimeAnswer>;
  /** the most that the process ever held */
  peakMb(): number;
  isAlive(): boolean;
  stop(): Promise<void>;
}

const bootstrap = fileURLToPath(new URL('bootstrap.mjs', import.meta.url));
const WATCH_EVERY_MS = 50;
const living = new Set<ChildProcess>();

/** Resolves when it asks for its first event. @throws Error with the document of the error that the handler's loading gave */
export async function startEnvironment({ env, memoryMb, onLog }: EnvironmentOptions): Promise<Environment> {
  const began = performance.now();
  const start = createStart();
  const api = await startRuntimeApi(start);
  const child = spawnFunction({ ...env, AWS_LAMBDA_RUNTIME_API: api.address }, memoryMb);
  start.child = child;
  const exit = once(child, 'exit').then(() => {
    living.delete(child);
    start.fail(`the process ended with ${endOf(child)} before it asked for an event`);
  });
  for (const stream of [child.stdout, child.stderr]) if (stream) createInterface(stream).on('line', onLog);
  await start.done.catch(async (error: unknown) => {
    await stop(child, exit, api);
    throw error;
  });
  const initMs = performance.now() - began;
  const peakMb = createPeak(child);
  return {
    ...{ initMs, peakMb, isAlive: () => living.has(child) },
    run: (event) => runEvent(event, { child, exit, api, memoryMb, peakMb }),
    stop: () => stop(child, exit, api),
  };
}

/** What is learnt of a process from the Runtime API: it is ready, or it never will be. */
function createStart() {
  let settle: (problem?: Error) => void = () => undefined;
  const done = new Promise<void>((resolve, reject) => {
    settle = (problem) => (problem ? reject(problem) : resolve());
  });
  const start = {
    child: undefined as ChildProcess | undefined,
    done,
    fail: (why: string) => settle(new Error(why)),
    onIdle: () => {
      settle();
      start.child?.kill('SIGSTOP');
    },
    onInitError: (payload: string) => start.fail(`the handler could not be loaded: ${payload}`),
  };
  return start;
}

/** As Lambda's own start does, nine tenths of the memory are V8's for what lives long. It dies with us, also while it rests. */
function spawnFunction(env: Record<string, string>, memoryMb: number): ChildProcess {
  const program = [process.execPath, `--max-old-space-size=${Math.floor(memoryMb * 0.9)}`, bootstrap];
  const setpriv = '/usr/bin/setpriv';
  const [command = '', ...args] = existsSync(setpriv)
    ? [setpriv, '--pdeathsig', 'KILL', ...program]
    : program;
  const cwd = env['LAMBDA_TASK_ROOT'] ?? '/';
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  living.add(child);
  return child;
}

interface Running {
  child: ChildProcess;
  exit: Promise<unknown>;
  api: RuntimeApi;
  memoryMb: number;
  peakMb: () => number;
}

async function runEvent(event: RuntimeEvent, running: Running): Promise<RuntimeAnswer> {
  const { child, exit, api, memoryMb, peakMb } = running;
  const ms = event.deadline.getTime() - Date.now();
  let reason: string | undefined;
  const end = (why: string) => {
    reason ??= why;
    child.kill('SIGKILL');
  };
  const late = setTimeout(() => end(`Task timed out after ${(ms / 1000).toFixed(2)} seconds`), ms);
  const watch = setInterval(() => {
    if (peakMb() > memoryMb) end('Runtime exited with error: signal: killed');
  }, WATCH_EVERY_MS);
  child.kill('SIGCONT');
  const ended = exit.then((): RuntimeAnswer => {
    const message = reason ?? `Runtime exited with error: ${endOf(child)}`;
    const errorType = message.startsWith('Task') ? 'Sandbox.Timedout' : 'Runtime.ExitError';
    const errorMessage = `RequestId: ${event.requestId} Error: ${message}`;
    return { payload: JSON.stringify({ errorType, errorMessage }), isError: true };
  });
  try {
    return await Promise.race([api.send(event), ended]);
  } finally {
    clearTimeout(late);
    clearInterval(watch);
  }
}

const endOf = ({ exitCode, signalCode }: ChildProcess) =>
  signalCode === null ? `exit status ${exitCode}` : `signal: ${signalCode}`;

/** The kernel's own mark of the highest resident size; the last one known, once the process is gone. */
function createPeak({ pid }: ChildProcess): () => number {
  let known = 0;
  return () => {
    const file = `/proc/${pid}/status`;
    const status = existsSync(file) ? readFileSync(file, 'utf8') : '';
    known = Math.max(known, Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024);
    return known;
  };
}

async function stop(child: ChildProcess, exit: Promise<unknown>, api: RuntimeApi): Promise<void> {
  if (living.has(child)) {
    child.kill('SIGKILL');
    await exit;
  }
  await api.stop();
}

// Before the folders go in which they write.
process.prependListener('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});
