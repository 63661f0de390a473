/** Calls hosts to new manifests by Run Command, where `PEMFLEET_NOTIFY_DOCUMENT` names a document: they find them at their next poll anyway. */
import { notifyFleets } from '../fleet/notify.ts';
import type { Log } from '../log.ts';
import type { PassResult } from '../outcome.ts';
import { now } from './command.ts';

/** Nothing checks what becomes of it: `pemfleet status` shows what the hosts make of it. */
export async function notifyHosts(
  log: Log,
  result: Pick<PassResult, 'manifests' | 'changed' | 'configuredFleets'>,
): Promise<void> {
  const document = process.env['PEMFLEET_NOTIFY_DOCUMENT'];
  if (!document || result.changed.length === 0) return;
  // Loaded where it is needed only: it is half of the SDK.
  const { RunCommandNotifier } = await import('../fleet/run-command.ts');
  const earlier = { calls: [], failedCalls: [] };
  const notifier = new RunCommandNotifier(document, process.env['PEMFLEET_DEPLOYMENT']);
  await notifyFleets({ notifier, log, now: now() }, earlier, result);
}
