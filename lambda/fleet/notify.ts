/**
 * The hosts of every fleet that was given something new are told, and what came of earlier calls is told to people, once: a pass
 * over nothing new asks Systems Manager nothing.
 */
import { HOUR_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { Log } from '../log.ts';
import type { PassResult } from '../outcome.ts';
import type { OpenCall } from './hosts.ts';
import type { FleetNotifier } from './run-command.ts';

/** By then a command is over, or nobody will say what became of it: it had ten minutes to be delivered, an hour to run. */
const FORGOTTEN_AFTER_MS = 2 * HOUR_MS;

/** Not listed yet, or not any more. */
const UNKNOWN = { status: 'Unknown', hasEnded: false, targets: 0, errors: 0, timedOut: 0 };

interface Telling {
  notifier: FleetNotifier;
  log: Log;
  now: Date;
}

export interface NotifyResult {
  /** Whose end is to be asked for by later passes. */
  calls: OpenCall[];
  /** Calls to AWS that failed: a warning and a metric, for the hosts poll all the same. */
  failed: number;
}

export async function notifyFleets(
  telling: Telling,
  earlier: readonly OpenCall[],
  { manifests, changed }: Pick<PassResult, 'manifests' | 'changed'>,
): Promise<NotifyResult> {
  const { log, now } = telling;
  const made = await Promise.allSettled(
    changed.map((fleet) => tell(telling, fleet, manifests.get(fleet)?.etag ?? '')),
  );
  const asked = await Promise.allSettled(earlier.map((call) => follow(telling, call)));
  const failures = [...made, ...asked].flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
  for (const error of failures) log('notify.failed', { code: codeOf(error), error: messageOf(error) });
  // A result that could not be had is asked for again, but not for ever.
  const open = earlier.filter((call, index) => outcomeOf(asked[index]) !== 'over' && !isOld(call, now));
  return { calls: [...open, ...made.flatMap((end) => outcomeOf(end) ?? [])], failed: failures.length };
}

async function tell({ notifier, log, now }: Telling, fleet: FleetName, manifest: string): Promise<OpenCall> {
  const command = await notifier.notify(fleet, manifest);
  log('fleet.notified', { fleet, manifest, command });
  return { command, fleet, at: now };
}

async function follow({ notifier, log, now }: Telling, call: OpenCall): Promise<'over' | 'open'> {
  const { hasEnded, ...facts } = (await notifier.result(call.command)) ?? UNKNOWN;
  if (!hasEnded && !isOld(call, now)) return 'open';
  log('notify.result', { command: call.command, fleet: call.fleet, ...facts });
  return 'over';
}

const isOld = ({ at }: OpenCall, now: Date) => now.getTime() - at.getTime() > FORGOTTEN_AFTER_MS;

function outcomeOf<T>(end: PromiseSettledResult<T> | undefined): T | undefined {
  return end?.status === 'fulfilled' ? end.value : undefined;
}
