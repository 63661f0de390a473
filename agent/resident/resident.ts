/** `run`, as systemd and Prometheus want to see it. */
import { codeOf, messageOf } from '#contract/errors.ts';
import type { HostStatus } from '#contract/host-status.ts';
import type { Agent } from '../agent.ts';
import type { Exec } from './exec.ts';
import { run, type TurnEnd } from './loop.ts';
import { metricsText, writeMetrics } from './metrics.ts';
import { isShuttingDown, leave } from './shutdown.ts';
import type { Napper } from './sleep.ts';
import { type Manners, type MannersOptions, manners } from './systemd.ts';

export interface Residence extends MannersOptions {
  signal: AbortSignal;
  napper: Napper;
  random: () => number;
  /** Calls `wake` when somebody wants a poll now. */
  onHangup: (wake: () => void) => void;
  exec: Exec;
}

export async function reside(agent: Agent, residence: Residence): Promise<void> {
  const { signal, napper, random } = residence;
  const courtesy = manners(residence);
  signal.addEventListener('abort', courtesy.stopping);
  residence.onHangup(() => {
    courtesy.reloading();
    napper.wake();
  });
  const sleep = async (ms: number) => {
    courtesy.resting();
    await napper.nap(ms);
    courtesy.polling();
  };
  const heard = { ...agent, log: courtesy.listen(agent.log) };
  await run({ agent: heard, signal, sleep, random, afterTurn: teller(heard, courtesy) });
  if (await isShuttingDown(residence.exec)) await leave(heard);
  await courtesy.end();
}

function teller(agent: Agent, courtesy: Manners): (end: TurnEnd) => Promise<void> {
  const measure = measurer(agent);
  return async (end) => {
    await measure(end);
    courtesy.turned(end);
  };
}

/** Metrics that cannot be written are told; they hold nothing up. */
export function measurer(agent: Agent): (end: TurnEnd) => Promise<void> {
  const { config, version, now, log } = agent;
  const { textfile } = config.metrics;
  let polledAt: Date | undefined;
  return async ({ status, code }) => {
    if (textfile === undefined) return;
    if (code === undefined || code.startsWith('ERR_RUNTIME_')) polledAt = now();
    const { fleet, host } = config;
    const text = metricsText({ version, fleet, host, status, polledAt, code });
    await writeMetrics(textfile, text).catch((error: unknown) => {
      log('metrics.failed', { file: textfile, code: codeOf(error), message: messageOf(error) });
    });
  };
}

/** The end of a pass that stands alone. */
export function turnEndOf({ status, error }: { status: HostStatus; error: unknown }): TurnEnd {
  return { status, code: error === undefined ? undefined : codeOf(error) };
}
