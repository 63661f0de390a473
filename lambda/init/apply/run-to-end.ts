/** Runs a program of this machine to its end: bounded in time and output. */
import { execFile } from 'node:child_process';

export interface ProgramEnd {
  isWell: boolean;
  /** What it printed on both streams, or why it could not be started. */
  output: string;
}

const MAX_OUTPUT = 1_000_000;

export function runToEnd(
  [program = '', ...args]: readonly string[],
  options: { timeoutMs: number; cwd?: string; env?: NodeJS.ProcessEnv; uid?: number; gid?: number },
): Promise<ProgramEnd> {
  const { timeoutMs, ...rest } = options;
  // Node throws for a fraction of a millisecond.
  const timeout = Math.ceil(timeoutMs);
  return new Promise((resolve) => {
    execFile(program, args, { timeout, maxBuffer: MAX_OUTPUT, ...rest }, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`.trim();
      resolve({ isWell: error === null, output: output === '' ? (error?.message ?? '') : output });
    });
  });
}
