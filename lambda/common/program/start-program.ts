/**
 * Starts a program. spawn() itself throws some errors (ENOTDIR, ELOOP, E2BIG, ENOMEM), others come by an event, and where a process
 * has no file descriptors left, the child has no streams: whoever looks at them first breaks off, and the event ends the process.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * @returns it while it runs: what it prints, and its end, come after the next `await` of the caller at the earliest
 * @throws NodeJS.ErrnoException why it cannot be started
 */
export async function startProgram(
  file: string,
  args: readonly string[],
  options: SpawnOptions,
): Promise<ChildProcess> {
  const child = spawn(file, args, options);
  // It rejects with `error`.
  await once(child, 'spawn');
  return child;
}
