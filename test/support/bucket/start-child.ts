import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { makeTempDir } from '../temp-dir.ts';

export interface ChildOptions {
  env?: Record<string, string>;
  /** ES module that is loaded before the program. */
  preload?: string;
  /** As a user who may do nothing. */
  asNobody?: boolean;
}

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
}

export interface Child {
  process: ChildProcess;
  /** It has said `ready`. */
  ready: Promise<void>;
  ended: Promise<Ended>;
  /** Closes its stdin, by which it ends. */
  finish(): Promise<Ended>;
}

const NOBODY = 65_534;
let program: string | undefined;

/** Built once a test process: eight of them start in the time that one would need with a compiler in it. */
function childProgram(): string {
  if (program !== undefined) return program;
  const { path } = makeTempDir();
  chmodSync(path, 0o755);
  program = join(path, 'child.mjs');
  const js =
    "import{createRequire as childRequire}from'node:module';const require=childRequire(import.meta.url);";
  const common = {
    ...({ bundle: true, platform: 'node', target: 'node20', format: 'esm' } as const),
    ...{ mainFields: ['module', 'main'], banner: { js } },
  };
  buildSync({ ...common, entryPoints: ['test/support/bucket/child.ts'], outfile: program });
  return program;
}

export function startChild(t: TestContext, args: string[], options: ChildOptions = {}): Child {
  const imports = options.preload === undefined ? [] : ['--import', pathToFileURL(options.preload).href];
  const isRoot = process.getuid?.() === 0;
  const child = spawn(process.execPath, [...imports, childProgram(), ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...options.env },
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(options.asNobody && isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  child.stdin.on('error', () => undefined);
  let stdout = '';
  let tellReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => (tellReady = resolve));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (stdout.includes('ready\n')) tellReady();
  });
  const ended = once(child, 'close').then(([status, signal]) => ({ status, signal, stdout }) as Ended);
  const finish = () => {
    child.stdin.end();
    return ended;
  };
  t.after(() => {
    child.kill('SIGKILL');
    return ended;
  });
  const died = ended.then((end) => {
    throw new Error(`${args[0]} ended before it was ready: ${JSON.stringify(end)}`);
  });
  const readyOrDied = Promise.race([ready, died]);
  // Who only waits for the end does not look.
  readyOrDied.catch(() => undefined);
  return { process: child, ready: readyOrDied, ended, finish };
}

/** Runs it to its end. */
export function runChild(t: TestContext, args: string[], options?: ChildOptions): Promise<Ended> {
  return startChild(t, args, options).finish();
}
