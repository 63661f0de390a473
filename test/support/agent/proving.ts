// A resident agent in this process, whose polls and clock a test moves.
import { setImmediate } from 'node:timers/promises';
import type { HostStatus } from '#contract/host-status.ts';
import type { EventName } from '../../../agent/log.ts';
import type { KnownProofs } from '../../../agent/proof/known.ts';
import { runLoop } from '../../../agent/resident/loop.ts';
import { Prover, withProofs } from '../../../agent/resident/prover.ts';
import { agentHere } from './program.ts';
import type { Stage } from './stage.ts';

export interface Proving {
  status: HostStatus | undefined;
  events: EventName[];
  proofs: KnownProofs;
  clock: { now: Date };
  /** The clock moves on, and as many handshakes are made as have their turn in this time. @returns pauses between them */
  proveFor(ms: number): Promise<number[]>;
  /** Whether the handshakes have asked for a poll. */
  isPollWanted(): boolean;
}

/** Runs `run` with the real loop: each step happens between two polls. */
export async function whileProving(
  stage: Stage,
  steps: readonly ((proving: Proving) => unknown)[],
  more: readonly string[] = [],
  start = new Date(),
): Promise<Proving> {
  const clock = { now: start };
  const events: EventName[] = [];
  const agent = await withProofs(
    await agentHere([...stage.flags, ...more], (event) => void events.push(event), { now: () => clock.now }),
  );
  const stop = new AbortController();
  let isPollWanted = false;
  let wait: ((ms: number) => Promise<void>) | undefined;
  const sleep = (ms: number) => (wait === undefined ? setImmediate() : wait(ms));
  const askForPoll = () => {
    isPollWanted = true;
  };
  const prover = new Prover(agent, { sleep, wake: () => undefined, askForPoll });
  if (agent.proofs === undefined) throw new Error('the agent remembers no proofs');
  const proving: Proving = {
    status: undefined,
    events,
    proofs: agent.proofs,
    clock,
    isPollWanted: () => isPollWanted,
    proveFor: async (ms) => {
      const end = clock.now.getTime() + ms;
      const pauses: number[] = [];
      const done = new AbortController();
      wait = async (pauseMs) => {
        const next = clock.now.getTime() + pauseMs;
        clock.now = new Date(Math.min(next, end));
        if (next > end) done.abort();
        else pauses.push(pauseMs);
      };
      await prover.run(done.signal);
      wait = undefined;
      return pauses;
    },
  };
  const left = [...steps];
  await runLoop({
    agent,
    signal: stop.signal,
    random: () => 0.5,
    prover,
    afterPoll: async ({ status }) => {
      proving.status = status;
      isPollWanted = false;
    },
    sleep: async () => {
      const step = left.shift();
      if (step === undefined) stop.abort();
      else await step(proving);
    },
  });
  return proving;
}
