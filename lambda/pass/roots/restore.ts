/**
 * Before anything is decided: where a root or a shard is lost, or hosts have read a later root, what the fleet had comes back from the issuer's history,
 * in one commit and without an order.
 */
import { inParallel } from '#common/in-parallel.ts';
import { BucketError, ContractError, codeOf, messageOf } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { specsOfFleet } from '../../config/config.ts';
import { highestReported } from '../../fleet/heads.ts';
import type { Pass } from '../../pass.ts';
import { findRestorable, type RestoreSubject } from '../../publication/history/restorable.ts';
import type { Publisher } from '../../publication/publisher.ts';
import { endedDigests } from '../../publication/tombstones.ts';
import { type BucketSurvey, surveyBucket } from '../survey.ts';
import { fleetSigningReason } from './maintain.ts';

/** Histories that one pass reads, of all fleets together. */
const MAX_READ = 5000;
const CONCURRENCY = 20;
/** Names in one event. */
const MAX_NAMED = 20;

/** Of large fleets: a shard that is missing or altered is noticed by what the bucket lists. What cannot be asked stops nothing. */
export async function checkShards({ log, timing }: Pass, { publishers }: BucketSurvey): Promise<void> {
  for (const [fleet, { shards }] of publishers) {
    try {
      const lost = await shards.checkListed(timing.now());
      if (lost.length > 0) log('shard.lost', { fleet, count: lost.length, shards: lost.slice(0, MAX_NAMED) });
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
      log('shard.unchecked', { fleet, code: error.code, error: messageOf(error) });
    }
  }
}

/** @returns what is published then. One fleet's failure stops no other: its certificates are ordered when they are due */
export async function restoreLost(pass: Pass, survey: BucketSurvey): Promise<BucketSurvey> {
  let room = MAX_READ;
  let isRestored = false;
  for (const [fleet, publisher] of survey.publishers) {
    if (isLatest(survey, fleet) && !publisher.shards.isDamaged) continue;
    try {
      const reason = await lossOf(pass, survey, fleet, publisher);
      if (reason === undefined) continue;
      const known = await subjectsOf(pass, survey, fleet);
      // Of a lost shard, what another copy of it has said is there.
      const all = reason === 'damaged' ? known.filter(({ entry }) => entry === undefined) : known;
      const subjects = all.slice(0, room);
      room -= subjects.length;
      const { names, failed } = await restore(pass, subjects, publisher);
      isRestored ||= names.length > 0;
      const counts = { count: names.length, left: all.length - subjects.length, failed };
      if (Object.values(counts).every((count) => count === 0)) continue;
      pass.log('manifest.restored', { fleet, reason, ...counts, certificates: names.slice(0, MAX_NAMED) });
    } catch (error) {
      if (!(error instanceof BucketError || error instanceof ContractError)) throw error;
      pass.log('manifest.failed', { fleet, code: codeOf(error), error: messageOf(error) });
    }
  }
  return isRestored ? surveyBucket(pass, survey) : survey;
}

async function lossOf(
  pass: Pass,
  survey: BucketSurvey,
  fleet: FleetName,
  publisher: Publisher,
): Promise<'lost' | 'older' | 'damaged' | undefined> {
  const reason = await fleetSigningReason(pass, survey, fleet, publisher);
  if (reason === 'lost' || reason === 'older') return reason;
  return publisher.shards.isDamaged ? 'damaged' : undefined;
}

/** Nothing else has to be read then. */
function isLatest({ manifests, hosts }: BucketSurvey, fleet: FleetName): boolean {
  const manifest = manifests.get(fleet)?.manifest;
  return manifest !== undefined && (manifest.sequence ?? 0) >= highestReported(hosts[fleet]);
}

/** All that the fleet's manifest names, and what is configured for it. */
async function subjectsOf({ config }: Pass, survey: BucketSurvey, fleet: FleetName) {
  const { certificates = {}, tombstones = {} } = survey.manifests.get(fleet)?.manifest ?? {};
  const known = await survey.memory.of(fleet);
  const ended = new Set([...endedDigests(tombstones), ...endedDigests(known.tombstones)]);
  const entries: Partial<Record<CertificateName, ManifestEntry>> = certificates;
  const specs = new Map(specsOfFleet(config.certificates, fleet).map((spec) => [spec.name, spec]));
  const names = new Set([...specs.keys(), ...(Object.keys(certificates) as CertificateName[])]);
  return [...names].map((name): RestoreSubject => {
    return { fleet, name, spec: specs.get(name), entry: entries[name], ended };
  });
}

/** What cannot be read is counted: the others come back. */
async function restore(
  { bucket, timing }: Pass,
  subjects: readonly RestoreSubject[],
  publisher: Publisher,
): Promise<{ names: CertificateName[]; failed: number }> {
  const now = timing.now();
  let failed = 0;
  const find = async (subject: RestoreSubject) => {
    try {
      return { name: subject.name, entry: await findRestorable(bucket, subject, now) };
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
      failed += 1;
      return { name: subject.name, entry: undefined };
    }
  };
  const found = await inParallel(subjects, CONCURRENCY, find, ({ name }) => name);
  const entries = new Map(found.flatMap(({ name, entry }) => (entry ? [[name, entry] as const] : [])));
  const names = entries.size === 0 ? [] : await publisher.publishAgain(entries);
  return { names, failed };
}
