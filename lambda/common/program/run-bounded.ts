/**
 * Runs a program that an operator has named: without a shell, with the environment that it is given and nothing else, bounded in time and
 * output. When its time is over, it and all of its group are killed: children of its children, too, unless they have made a group of their own.
 */
import type { ChildProcess } from 'node:child_process';
import { printable } from '#common/printable.ts';
import { SECOND_MS } from '#common/time.ts';
import { startProgram } from './start-program.ts';

export interface BoundedProgram {
  /** Absolute path, and arguments. */
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  /** For its standard input. */
  input?: string;
  timeoutMs: number;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** Ends it early. */
  signal?: AbortSignal;
}

export interface BoundedEnd {
  isWell: boolean;
  /** Why not, for people: `exit status 3`, `no end within 30 s`; undefined: exit status 0. */
  problem?: string;
  /** Printable lines of both streams, the last ones. */
  output: string[];
}

/** Of the output, so much is kept: the end says why. */
const [MAX_BYTES, MAX_LINES, MAX_LINE] = [16_384, 20, 300];
/** Between SIGTERM and SIGKILL; and for output that a grandchild holds open. */
const [GRACE_MS, DRAIN_MS] = [2 * SECOND_MS, 200];

/** One that cannot be started is an end with a problem, too. */
export async function runBounded(program: BoundedProgram): Promise<BoundedEnd> {
  const { command, env, cwd = '/', uid, gid } = program;
  const [file = '', ...args] = command;
  const ids = { ...(uid !== undefined && { uid }), ...(gid !== undefined && { gid }) };
  let child: ChildProcess;
  try {
    child = await startProgram(file, args, { env, cwd, ...ids, detached: true, stdio: 'pipe' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { isWell: false, problem: `${file} cannot be started: ${code}`, output: [] };
  }
  return endOf(child, program);
}

function endOf(child: ChildProcess, { input = '', timeoutMs, signal }: BoundedProgram): Promise<BoundedEnd> {
  return new Promise((resolve) => {
    const tail = new Tail();
    const outputs = [child.stdout, child.stderr].filter((stream) => stream !== null);
    for (const stream of outputs) stream.on('data', (chunk: Buffer) => tail.add(chunk));
    // Who does not read its input has no use for it.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
    let cause: string | undefined;
    let killer: NodeJS.Timeout | undefined;
    const kill = (why: string) => {
      if (cause !== undefined) return;
      cause = why;
      killGroup(child.pid, 'SIGTERM');
      killer = setTimeout(() => killGroup(child.pid, 'SIGKILL'), GRACE_MS);
    };
    const timer = setTimeout(() => kill(`no end within ${Math.ceil(timeoutMs / SECOND_MS)} s`), timeoutMs);
    const abort = () => kill('ended early');
    signal?.addEventListener('abort', abort, { once: true });
    const end = (problem: string | undefined) => {
      clearTimeout(timer);
      clearTimeout(killer);
      signal?.removeEventListener('abort', abort);
      // Of those who ignored SIGTERM, and outlive the program.
      if (cause !== undefined) killGroup(child.pid, 'SIGKILL');
      for (const stream of outputs) stream.destroy();
      const said = cause ?? problem;
      resolve({
        isWell: said === undefined,
        ...(said !== undefined && { problem: said }),
        output: tail.lines(),
      });
    };
    child.once('exit', (status, killedBy) => {
      const problem = status === 0 ? undefined : `${killedBy ?? `exit status ${status}`}`;
      const drained = setTimeout(() => end(problem), DRAIN_MS);
      child.once('close', () => {
        clearTimeout(drained);
        end(problem);
      });
    });
  });
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}

/** The last bytes, however many come. */
class Tail {
  #kept = Buffer.alloc(0);
  add(chunk: Buffer): void {
    const joined = Buffer.concat([this.#kept, chunk.subarray(-MAX_BYTES)]);
    this.#kept = joined.subarray(-MAX_BYTES);
  }
  lines(): string[] {
    const all = this.#kept
      .toString('utf8')
      .split('\n')
      .map((line) => printable(line).trim());
    return all
      .filter((line) => line !== '')
      .slice(-MAX_LINES)
      .map((line) => line.slice(0, MAX_LINE));
  }
}
