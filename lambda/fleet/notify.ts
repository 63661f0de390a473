/**
 * Nudges the hosts of every fleet whose manifest has changed, and logs once what came of earlier nudges. A pass that
 * changed nothing, with no command open, asks Systems Manager nothing.
 */
import { isWithinLast } from '#common/clock.ts';
import { HOUR_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { Log } from '../log.ts';
import type { PassResult } from '../outcome.ts';
import type { FailedCall, HostSummaries, OpenCall } from './hosts.ts';
import type { CommandResult, FleetNotifier } from './run-command.ts';

/** A command has ten minutes to be delivered and an hour to run: after this time it is over, or nothing will say what came of it. */
const CHECKED_FOR_MS = 2 * HOUR_MS;

/** Of a command that Systems Manager does not list yet, or lists no more. */
const UNKNOWN: CommandResult = { status: 'Unknown', hasEnded: false, targets: 0, errors: 0, timedOut: 0 };

export interface NotifyOptions {
  notifier: FleetNotifier;
  log: Log;
  now: Date;
}

export interface NotifyResult {
  /** Commands that a later pass has to check. */
  calls: OpenCall[];
  /** The fleets whose command could not be sent: a warning and a metric only, for the hosts poll anyway. */
  failedCalls: FailedCall[];
  /** The fleets of whose command nobody can say what came of it. */
  failedChecks: FailedCall[];
}

/** @param earlier passes' commands whose result is still open, and fleets that could not be called: they are called again */
export async function notifyFleets(
  options: NotifyOptions,
  { calls: earlier, failedCalls: failedBefore }: Pick<HostSummaries, 'calls' | 'failedCalls'>,
  {
    manifests,
    changed: all,
    configuredFleets,
  }: Pick<PassResult, 'manifests' | 'changed' | 'configuredFleets'>,
): Promise<NotifyResult> {
  const { log, now } = options;
  const again = failedBefore.flatMap(({ fleet }) => (manifests.get(fleet) === undefined ? [] : [fleet]));
  // The role may send commands to hosts of configured fleets only; all others poll.
  const changed = [...new Set([...all, ...again])].filter(
    (fleet) => configuredFleets?.includes(fleet) ?? true,
  );
  const sent = await Promise.allSettled(
    changed.map((fleet) => sendCommand(options, fleet, manifests.get(fleet)?.etag ?? '')),
  );
  const checked = await Promise.allSettled(earlier.map((call) => checkCommand(options, call)));
  const failures = [...sent, ...checked].flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
  for (const error of failures) log('notify.failed', { code: codeOf(error), error: messageOf(error) });
  // A check that failed is repeated by the next pass, but not for ever.
  const open = earlier.filter((call, index) => fulfilled(checked[index]) !== 'over' && !isOld(call, now));
  const since = new Map(failedBefore.map((call) => [call.fleet, call.since]));
  const failedCalls = changed.flatMap((fleet, index) =>
    failedCallOf(sent[index], fleet, since.get(fleet) ?? now),
  );
  const calls = [...open, ...sent.flatMap((end) => fulfilled(end) ?? [])];
  const failedChecks = earlier.flatMap(({ fleet, at }, index) => failedCallOf(checked[index], fleet, at));
  return { calls, failedCalls, failedChecks };
}

function failedCallOf(
  end: PromiseSettledResult<unknown> | undefined,
  fleet: FleetName,
  since: Date,
): FailedCall[] {
  if (end?.status !== 'rejected') return [];
  return [{ fleet, code: codeOf(end.reason).slice(0, 64), since }];
}

async function sendCommand(
  { notifier, log, now }: NotifyOptions,
  fleet: FleetName,
  manifest: string,
): Promise<OpenCall> {
  const command = await notifier.notify(fleet, manifest);
  log('fleet.notified', { fleet, manifest, command });
  return { command, fleet, at: now };
}

async function checkCommand({ notifier, log, now }: NotifyOptions, call: OpenCall): Promise<'over' | 'open'> {
  const { hasEnded, ...facts } = (await notifier.result(call.command)) ?? UNKNOWN;
  if (!hasEnded && !isOld(call, now)) return 'open';
  log('notify.result', { command: call.command, fleet: call.fleet, ...facts });
  return 'over';
}

function isOld({ at }: OpenCall, now: Date): boolean {
  return !isWithinLast(at, now, CHECKED_FOR_MS);
}

function fulfilled<T>(end: PromiseSettledResult<T> | undefined): T | undefined {
  return end?.status === 'fulfilled' ? end.value : undefined;
}
