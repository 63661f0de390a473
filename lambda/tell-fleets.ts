/** After a pass: the hosts of every fleet that was given something new are told, and what came of earlier calls is told to people. */
import { codeOf, messageOf } from '#contract/errors.ts';
import type { PassResult } from './issue.ts';
import type { Log } from './log.ts';
import type { Notifier } from './notify.ts';

/** Commands that were sent by the last passes: they may take ten minutes. */
const RESULTS_OF_MS = 2 * 3_600_000;

/** @returns how many calls to AWS failed: a warning and a metric, for the hosts poll all the same */
export async function tellFleets(
  notifier: Notifier,
  { manifests, changed }: Pick<PassResult, 'manifests' | 'changed'>,
  log: Log,
  now: Date,
): Promise<number> {
  const told = changed.map(async (fleet) => {
    const etag = manifests.get(fleet)?.etag ?? '';
    const command = await notifier.notify(fleet, etag);
    log('fleet.notified', { fleet, manifest: etag, command });
  });
  const asked = notifier.results(new Date(now.getTime() - RESULTS_OF_MS)).then((results) => {
    for (const result of results) log('notify.result', { ...result });
  });
  const ended = await Promise.allSettled([...told, asked]);
  const failures = ended.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
  for (const error of failures) log('notify.failed', { code: codeOf(error), error: messageOf(error) });
  return failures.length;
}
