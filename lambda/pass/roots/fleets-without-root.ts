/**
 * Fleets that have no manifest of ours: new ones, and those that have lost it. What their hosts reported before the last pass is from before
 * the loss: they are asked now, so that the new root goes above all that they have read, and what nobody serves is ordered first.
 */
import { startDeadline } from '#common/deadline.ts';
import { SECOND_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import { configuredFleets } from '../../config/config.ts';
import { refreshHostSummaries } from '../../fleet/hosts.ts';
import type { Pass } from '../../pass.ts';
import type { BucketSurvey } from '../survey.ts';

/** For all statuses together; and no more than a tenth of what is left of the pass. */
const MAX_READ_MS = 30 * SECOND_MS;

/** Puts what the hosts say now into `survey.hosts`. What cannot be read stays as it was known. @returns the fleets */
export async function askFleetsWithoutRoot(
  { bucket, config, log, signing, timing }: Pass,
  { specs, manifests, hosts }: BucketSurvey,
): Promise<ReadonlySet<FleetName>> {
  const fleets = configuredFleets({ certificates: specs }).filter((fleet) => {
    return manifests.has(fleet) && manifests.get(fleet) === undefined;
  });
  if (fleets.length === 0) return new Set();
  const now = timing.now();
  const deadline = startDeadline(Math.min(MAX_READ_MS, (timing.deadline.getTime() - now.getTime()) / 10));
  try {
    const configured = new Set(config.certificates.map(({ name }) => name));
    const options = { now, keys: signing, deadline, configured };
    const read = await refreshHostSummaries(bucket, hosts, fleets, options);
    Object.assign(hosts, read.fleets);
    for (const error of read.failures) log('status.failed', { code: codeOf(error), error: messageOf(error) });
  } finally {
    deadline.clear();
  }
  return new Set(fleets);
}
