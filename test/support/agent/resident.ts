// The resident agent as its own program, which polls at SIGHUP.
import { once } from 'node:events';
import { startAgent } from './program.ts';
import type { Stage } from './stage.ts';

export interface Resident {
  /** All that it has said. */
  log(): string;
  /** Resolves when the log has this many of these words. */
  said(words: string, times: number): Promise<void>;
  /** Polls now; resolves at the end of the pass, with its last line. */
  pollAndPass(): Promise<string>;
  /** Stands still at once, in the middle of whatever it does; goes on. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

const finished = 'event=run.finished';
/** Of a pass over 1,000 certificates on a busy machine. */
const DEADLINE_MS = 600_000;

/** Its first pass is made when this resolves. */
export async function startResident(
  { flags }: Stage,
  more: readonly string[] = [],
  niceness = 0,
): Promise<Resident> {
  const args = ['run', ...flags, '--poll-interval', '3600', ...more];
  const { child, output, said: saidBy } = startAgent(args, { niceness });
  const said = (words: string, times: number) => saidBy(words, times, DEADLINE_MS);
  const exited = once(child, 'exit');
  const count = (words: string) => output.stderr.split(words).length - 1;
  await said(finished, 1).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw error;
  });
  return {
    log: () => output.stderr,
    said,
    pollAndPass: async () => {
      const before = count(finished);
      child.kill('SIGHUP');
      await said(finished, before + 1);
      return output.stderr.slice(output.stderr.lastIndexOf(finished)).split('\n', 1)[0] ?? '';
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    stop: async () => {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      await exited;
    },
  };
}
