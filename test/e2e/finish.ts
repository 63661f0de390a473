/** One run of a program, as a user starts it, to its end, which comes by a deadline: on a broken tree a program may wait for hours. */
import { spawn } from 'node:child_process';
import { basename } from 'node:path';

export interface Finished {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  /** Each line of standard error as it comes. */
  onLine?: (line: string) => void;
  deadlineMs?: number;
}

/** Some times what a busy machine needs for the longest of them. */
const DEADLINE_MS = 300_000;
/** It may end its own parts first. */
const GRACE_MS = 10_000;
/** Characters of what it has said. */
const TAIL = 4000;

/** Runs a program to its end. @throws Error it has not ended within `deadlineMs` */
export function finish(
  file: string,
  args: string[],
  { env = {}, onLine, deadlineMs = DEADLINE_MS }: RunOptions = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr, rest] = ['', '', ''];
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine?.(line);
    });
    let isLate = false;
    const kill = setTimeout(() => child.kill('SIGKILL'), deadlineMs + GRACE_MS);
    const deadline = setTimeout(() => {
      isLate = true;
      child.kill('SIGTERM');
    }, deadlineMs);
    child.once('error', reject);
    child.once('close', (status, signal) => {
      for (const timer of [deadline, kill]) clearTimeout(timer);
      if (!isLate) return resolve({ status, signal, stdout, stderr });
      const words = [basename(file), ...args].join(' ');
      reject(new Error(`${words} has not ended within ${deadlineMs} ms; it said:\n${stderr.slice(-TAIL)}`));
    });
  });
}
