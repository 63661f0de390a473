/** Runs the host's own programs (flock, systemctl, timedatectl), which say how the machine is. */
import { execFile } from 'node:child_process';

export interface HostCommandResult {
  isInstalled: boolean;
  /** Empty if the program is missing or prints nothing. The exit status does not matter: `systemctl` fails with an answer. */
  stdout: string;
}

export type RunHostCommand = (program: string, args: readonly string[]) => Promise<HostCommandResult>;

export const runHostCommand: RunHostCommand = (program, args) =>
  new Promise((resolve) => {
    execFile(program, [...args], { timeout: 5000 }, (error, stdout) => {
      resolve({ isInstalled: error?.code !== 'ENOENT', stdout });
    });
  });
