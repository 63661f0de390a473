/** A look at the machine by one of its own programs. */
import { execFile } from 'node:child_process';

/** Standard output, empty when the program is missing or says nothing; its exit status is not asked for. */
export type Exec = (
  program: string,
  args: readonly string[],
) => Promise<{ isThere: boolean; stdout: string }>;

export const execHere: Exec = (program, args) =>
  new Promise((resolve) => {
    execFile(program, [...args], { timeout: 5000 }, (error, stdout) => {
      resolve({ isThere: error?.code !== 'ENOENT', stdout });
    });
  });
