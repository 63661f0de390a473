/** Runs the host's own programs (flock, systemctl, timedatectl), which say how the machine is. */
import { type ExecFileException, execFile } from 'node:child_process';

export interface HostCommandResult {
  isInstalled: boolean;
  /** Empty if the program is missing or prints nothing. The exit status does not matter: `systemctl` fails with an answer. */
  stdout: string;
  /** Why a command that changes something has not done it; undefined: it has. */
  failure?: string | undefined;
}

export type RunHostCommand = (
  program: string,
  args: readonly string[],
  timeoutMs?: number,
) => Promise<HostCommandResult>;

/** For what only answers. */
const ANSWER_MS = 5000;

export const runHostCommand: RunHostCommand = (program, args, timeoutMs = ANSWER_MS) =>
  new Promise((resolve) => {
    execFile(program, [...args], { timeout: timeoutMs }, (error, stdout, stderr) => {
      const failure = error === null ? undefined : failureText(error, stderr, timeoutMs);
      resolve({ isInstalled: error?.code !== 'ENOENT', stdout, failure });
    });
  });

function failureText(error: ExecFileException, stderr: string, timeoutMs: number): string {
  if (error.killed) return `has not ended within ${timeoutMs / 1000} s, and goes on`;
  const status =
    typeof error.code === 'number' ? `exit status ${error.code}` : String(error.code ?? error.signal);
  const [line = ''] = stderr.trim().split('\n');
  return line === '' ? status : `${status}: ${line}`;
}
