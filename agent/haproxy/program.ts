/** Runs a program of the operator's choice to its end or to a deadline, and returns what it printed. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROGRAM_PATH } from '#common/program/path.ts';
import { startProgram } from '#common/program/start-program.ts';
import { messageOf } from '#contract/errors.ts';

interface ProgramResult {
  /** Exit status or signal; `late`: stopped at its deadline; else why it could not be started. */
  status: number | string;
  /** It belongs to another user (sudo), so that the agent could not stop it. */
  isRunning: boolean;
  output: string;
}

const LAST_WORDS_MS = 500;
const MAX_OUTPUT = 65_536;

/** Runs the words as they are configured, without a shell. */
export async function runProgram(
  [program = '', ...args]: readonly string[],
  timeoutMs: number,
): Promise<ProgramResult> {
  let child: ChildProcess;
  try {
    // In a process group of its own, so that what it has started is stopped with it.
    child = await startProgram(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: PROGRAM_PATH },
      detached: true,
    });
  } catch (error) {
    return { status: messageOf(error), isRunning: false, output: '' };
  }
  const outputs = [child.stdout, child.stderr].filter((stream) => stream !== null);
  let output = '';
  for (const stream of outputs) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < MAX_OUTPUT) output += text;
    });
  }
  // Listened to from the start: it may come with the exit.
  const closed = once(child, 'close');
  const exited = once(child, 'exit').then(([status, signal]) => (signal ?? status) as number | string);
  const inTime = new AbortController();
  const overdue = sleep(timeoutMs, 'late', { signal: inTime.signal }).catch(() => 'in time');
  const status = await Promise.race([exited, overdue]);
  inTime.abort();
  const isRunning = status === 'late' && !stopGroup(child.pid);
  // A process that it leaves behind may hold the pipes open for ever.
  await Promise.race([closed, sleep(LAST_WORDS_MS)]);
  for (const stream of outputs) stream.destroy();
  child.unref();
  return { status, isRunning, output };
}

/** @returns whether it has ended, now or before; `false`: it belongs to another user, and the agent cannot stop it */
function stopGroup(pid: number | undefined): boolean {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
    return code === 'ESRCH';
  }
}

/** @returns the first complaints in a program's output, without any line that could hold a key */
export function firstLines(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const safe = lines.filter((line) => !/PRIVATE KEY|[A-Za-z0-9+/=]{48,}/.test(line));
  const complaints = safe.filter((line) => /\[ALERT\]|error|fail/i.test(line));
  return (complaints.length > 0 ? complaints : safe)
    .slice(0, 3)
    .map((line) => line.trim().slice(0, 300))
    .join(' / ');
}
