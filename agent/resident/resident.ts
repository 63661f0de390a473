/** STORYBOARD of `run`: the loop, with what systemd and Prometheus want to know, and a last report at shutdown. */
import type { RunHostCommand } from '#common/systemd/host-command.ts';
import type { Agent } from '../agent.ts';
import { BucketWatch } from '../watch/bucket-watch.ts';
import { runLoop } from './loop.ts';
import { openMetrics } from './metrics.ts';
import { Prover, withProofs } from './prover.ts';
import { isShuttingDown, reportDeparture } from './shutdown.ts';
import type { InterruptibleSleep } from './sleep.ts';
import { SystemdNotifications, type SystemdOptions } from './systemd.ts';

export interface ResidentOptions extends SystemdOptions {
  signal: AbortSignal;
  sleeper: InterruptibleSleep;
  /** Of what is done between polls. */
  proofSleeper: InterruptibleSleep;
  /** Processor time of this process so far. */
  cpuMs: () => number;
  /** A number from 0 to 1, evenly distributed. */
  random: () => number;
  /** Registers `poll`, which SIGHUP calls to ask for a poll now. */
  onHangup: (poll: () => void) => void;
  runCommand: RunHostCommand;
}

export async function runResident(agent: Agent, options: ResidentOptions): Promise<void> {
  const { signal, sleeper, random, onHangup, runCommand } = options;
  const systemd = new SystemdNotifications(options);
  signal.addEventListener('abort', () => systemd.announceStop());
  onHangup(() => {
    systemd.announceReload();
    sleeper.wake();
  });
  const resident = await withProofs({ ...agent, log: systemd.watchLog(agent.log) });
  const { cpuMs, proofSleeper } = options;
  const { sleep: rest, wake } = proofSleeper;
  const prover = new Prover(resident, { cpuMs, sleep: rest, wake, askForPoll: () => sleeper.wake() });
  const proving = prover.run(signal);
  const metrics = await openMetrics(resident);
  const bucketWatch = BucketWatch.of({ ...resident, onChange: () => sleeper.wake() });
  await runLoop({
    agent: resident,
    signal,
    random,
    prover,
    sleep: async (ms) => {
      await bucketWatch?.renew();
      systemd.beginSleep();
      await sleeper.sleep(ms);
      systemd.endSleep();
    },
    afterPoll: async (outcome) => {
      await metrics.write(outcome);
      systemd.announcePoll(outcome);
    },
  });
  bucketWatch?.close();
  await proving;
  if (await isShuttingDown(runCommand)) await reportDeparture(resident);
  await metrics.close();
  await systemd.close();
}
