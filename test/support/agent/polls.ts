// The resident agent's polls, in this process and without waiting: something happens before each of them.
import type { Agent } from '../../../agent/agent.ts';
import type { LogFields } from '../../../agent/log.ts';
import { runLoop } from '../../../agent/resident/loop.ts';
import { agentHere } from './program.ts';
import type { Stage } from './stage.ts';

export interface Logged extends LogFields {
  event: string;
}

/**
 * A first poll, then one after each of `steps`.
 * @returns what each of them has logged
 */
export async function polls(
  { flags }: Pick<Stage, 'flags'>,
  steps: readonly (() => unknown)[],
  changes: Partial<Agent> = {},
): Promise<Logged[][]> {
  let logged: Logged[] = [];
  const made: Logged[][] = [];
  const agent = await agentHere(flags, (event, fields) => void logged.push({ event, ...fields }), changes);
  const stop = new AbortController();
  const sleep = async () => {
    made.push(logged);
    logged = [];
    const step = steps[made.length - 1];
    if (step === undefined) stop.abort();
    else await step();
  };
  await runLoop({ agent, signal: stop.signal, sleep, random: () => 0.5 });
  return made;
}
