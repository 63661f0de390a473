/** `run`, as systemd and Prometheus want to see it. */
import { codeOf, messageOf } from '#contract/errors.ts';
import type { HostStatus } from '#contract/host-status.ts';
import type { Agent } from '../agent.ts';
import { isRuntimeErrorCode } from '../errors.ts';
import type { Exec } from './exec.ts';
import { type PollOutcome, runLoop } from './loop.ts';
import { metricsText, writeMetrics } from './metrics.ts';
import { isShuttingDown, reportDeparture } from './shutdown.ts';
import type { InterruptibleSleep } from './sleep.ts';
import { type SystemdNotifications, type SystemdOptions, systemdNotifications } from './systemd.ts';

export interface ResidentOptions extends SystemdOptions {
  signal: AbortSignal;
  napper: InterruptibleSleep;
  random: () => number;
  /** Calls `wake` when somebody wants a poll now. */
  onHangup: (wake: () => void) => void;
  exec: Exec;
}

export async function runResident(agent: Agent, residence: ResidentOptions): Promise<void> {
  const { signal, napper, random } = residence;
  const courtesy = systemdNotifications(residence);
  signal.addEventListener('abort', courtesy.stopping);
  residence.onHangup(() => {
    courtesy.reloading();
    napper.wake();
  });
  const sleep = async (ms: number) => {
    courtesy.resting();
    await napper.sleep(ms);
    courtesy.polling();
  };
  const heard = { ...agent, log: courtesy.listen(agent.log) };
  await runLoop({ agent: heard, signal, sleep, random, afterPoll: teller(heard, courtesy) });
  if (await isShuttingDown(residence.exec)) await reportDeparture(heard);
  await courtesy.end();
}

function teller(agent: Agent, courtesy: SystemdNotifications): (end: PollOutcome) => Promise<void> {
  const measure = metricsWriter(agent);
  return async (end) => {
    await measure(end);
    courtesy.turned(end);
  };
}

/** Metrics that cannot be written are told; they hold nothing up. */
export function metricsWriter(agent: Agent): (end: PollOutcome) => Promise<void> {
  const { config, version, now, log } = agent;
  const { textfile } = config.metrics;
  let polledAt: Date | undefined;
  return async ({ status, code }) => {
    if (textfile === undefined) return;
    if (code === undefined || isRuntimeErrorCode(code)) polledAt = now();
    const { fleet, host } = config;
    const text = metricsText({ version, fleet, host, status, polledAt, code });
    await writeMetrics(textfile, text).catch((error: unknown) => {
      log('metrics.failed', { file: textfile, code: codeOf(error), message: messageOf(error) });
    });
  };
}

/** The end of a pass that stands alone. */
export function pollOutcomeOf({ status, error }: { status: HostStatus; error: unknown }): PollOutcome {
  return { status, code: error === undefined ? undefined : codeOf(error) };
}
