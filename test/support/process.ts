// Starts a real program as a part of a test: ready when its probe says so, gone when the test is over.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface PartCommand {
  /** for messages */
  name: string;
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
  /** Resolves to true as soon as the part does its work; false or a rejection means "not yet". */
  probe: () => Promise<boolean>;
  deadlineMs?: number;
}

export interface Part {
  pid: number;
  /** all that it has written so far, on both streams */
  log(): string;
  /** the exit code or signal, once it has ended */
  ended(): string | undefined;
  stop(): Promise<void>;
}

const probeEveryMs = 20;
const stopDeadlineMs = 5_000;
const living = new Set<ChildProcess>();

/** Starts it and waits for its probe; what does not start is an error that holds the part's log. */
export async function startPart(start: PartCommand): Promise<Part> {
  const part = spawnPart(start);
  try {
    await until(start.probe, () => part.ended(), start.deadlineMs ?? 60_000);
    return part;
  } catch (error) {
    await part.stop();
    throw new Error(`${start.name} did not start: ${(error as Error).message}\n${part.log()}`, {
      cause: error,
    });
  }
}

/** Waits until `probe` is true; `failed` tells why it never will be. */
export async function until(
  probe: () => Promise<boolean>,
  failed: () => string | undefined,
  deadlineMs: number,
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  let last = '';
  const isReady = async () => {
    last = 'not yet';
    return probe().catch((error: Error) => {
      last = error.message;
      return false;
    });
  };
  while (!(await isReady())) {
    const reason = failed();
    if (reason !== undefined) throw new Error(`it ended with ${reason}`);
    if (Date.now() > deadline) throw new Error(`not ready within ${deadlineMs} ms; last answer: ${last}`);
    await sleep(probeEveryMs);
  }
}

function spawnPart({ command, args, env }: PartCommand): Part {
  const [program, ...programArgs] = dyingWithParent([command, ...args]);
  // detached: a group of its own, so that Ctrl-C reaches us first, and a kill reaches workers too
  const child = spawn(program as string, programArgs, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  let end: string | undefined;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  living.add(child);
  const ended = new Promise<void>((resolve) => {
    const finish = (reason: string) => {
      end ??= reason;
      living.delete(child);
      resolve();
    };
    child.once('error', (error) => finish(error.message));
    child.once('close', (code, signal) => finish(signal ?? `exit code ${code}`));
  });
  const stop = async () => {
    // to it alone: a HAProxy master wants to end its workers itself
    if (living.has(child)) child.kill('SIGTERM');
    const late = setTimeout(() => killGroup(child, 'SIGKILL'), stopDeadlineMs);
    await ended;
    clearTimeout(late);
  };
  return { pid: child.pid ?? 0, log: () => output, ended: () => end, stop };
}

/** The kernel ends the child if we are killed outright; it keeps its pid, because setpriv(1) becomes the program. */
function dyingWithParent(command: string[]): string[] {
  const setpriv = '/usr/bin/setpriv';
  return existsSync(setpriv) ? [setpriv, '--pdeathsig', 'TERM', ...command] : command;
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || !living.has(child)) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

// Before the folders go in which they write.
process.prependListener('exit', () => {
  for (const child of living) killGroup(child, 'SIGKILL');
});
