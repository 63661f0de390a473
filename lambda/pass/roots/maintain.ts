/** The end of a pass over the fleets: what changed no certificate, but has to be signed all the same. */
import { codeOf, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import { namesOfFleet } from '../../config/config.ts';
import { headsOf } from '../../fleet/heads.ts';
import type { Pass } from '../../pass.ts';
import { reasonToSign, type SigningReason } from '../../publication/maintenance.ts';
import type { Publisher } from '../../publication/publisher.ts';
import type { BucketSurvey, Survey } from '../survey.ts';

/**
 * Signs anew what is older than half a day, signed by an earlier key or before a recovery key was named, older than what hosts have read, lost or somebody else's; drops what
 * has expired and is not configured. One fleet's failure stops no other.
 * @returns the first failure
 */
export async function maintainFleets(pass: Pass, survey: Survey): Promise<unknown> {
  const failures: unknown[] = [];
  for (const [fleet, publisher] of survey.publishers) {
    try {
      await maintain(pass, survey, fleet, publisher);
    } catch (error) {
      failures.push(error);
      pass.log('manifest.failed', { fleet, code: codeOf(error), error: messageOf(error) });
    }
  }
  return failures[0];
}

async function maintain(pass: Pass, survey: Survey, fleet: FleetName, publisher: Publisher): Promise<void> {
  const hosts = Object.values(survey.hosts[fleet] ?? {});
  if (hosts.some(({ error }) => error === 'ERR_MANIFEST_SHARD')) await publisher.shards.check();
  const reason = await fleetSigningReason(pass, survey, fleet, publisher);
  if (reason !== undefined) {
    await publisher.maintain(namesOfFleet(pass.config.certificates, fleet));
    pass.log('manifest.signed', { fleet, reason });
  }
  // A commit has written version 1 along already.
  if (publisher.latest === undefined) await survey.version1.align(fleet, survey.manifests.get(fleet));
}

/** By what this pass has read, or written since. @throws BucketError, ContractError */
export async function fleetSigningReason(
  pass: Pass,
  survey: BucketSurvey,
  fleet: FleetName,
  publisher: Publisher,
): Promise<SigningReason | undefined> {
  const { config, signing, timing } = pass;
  return reasonToSign({
    read: publisher.latest ?? survey.manifests.get(fleet),
    isForeign: publisher.latest === undefined && survey.foreign.has(fleet),
    isDamaged: publisher.shards.isDamaged,
    memory: await survey.memory.of(fleet),
    heads: headsOf(survey.hosts[fleet]),
    configured: namesOfFleet(config.certificates, fleet),
    key: signing.signer.key,
    lowestSequence: signing.lowestSequence,
    now: timing.now(),
  });
}
