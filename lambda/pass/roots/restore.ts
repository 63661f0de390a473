/**
 * Before anything is decided: where a root or a shard is lost, or hosts have read a later root, what the fleet had comes back from the issuer's history,
 * in one commit and without an order.
 */
import { inParallel } from '#common/in-parallel.ts';
import { BucketError, ContractError, codeOf, messageOf } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { specsOfFleet } from '../../config/config.ts';
import { headsOf } from '../../fleet/heads.ts';
import type { Pass } from '../../pass.ts';
import { findRestorable, type RestoreSubject } from '../../publication/history/restorable.ts';
import { isBehindHosts } from '../../publication/maintenance.ts';
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
  const blocked = new Map<string, BucketError>();
  let room = MAX_READ;
  let isRestored = false;
  for (const [fleet, publisher] of survey.publishers) {
    try {
      const loss = await lossOf(pass, survey, fleet, publisher);
      if (loss === undefined) continue;
      const done = await restoreFleet(pass, survey, { fleet, publisher, ...loss, room });
      room -= done.read;
      isRestored ||= done.count > 0;
      for (const [name, error] of done.unread) blocked.set(name, error);
    } catch (error) {
      if (!(error instanceof BucketError || error instanceof ContractError)) throw error;
      pass.log('manifest.failed', { fleet, code: codeOf(error), error: messageOf(error) });
    }
  }
  const found = isRestored ? await surveyBucket(pass, survey) : survey;
  // What may come back by the next pass is not ordered by this one.
  return blocked.size === 0 ? found : { ...found, blocked: new Map([...blocked, ...found.blocked]) };
}

interface Restoration extends Loss {
  fleet: FleetName;
  publisher: Publisher;
  /** Histories that may be read. */
  room: number;
}

async function restoreFleet(
  pass: Pass,
  survey: BucketSurvey,
  { fleet, publisher, reason, after, room }: Restoration,
) {
  const known = await subjectsOf(pass, survey, fleet);
  // Of a lost shard, what another copy of it has said is there.
  const all = known.filter(
    ({ name, entry }) => name > (after ?? '') && (reason !== 'damaged' || entry === undefined),
  );
  const subjects = all.slice(0, room);
  const { entries, unread } = await findAll(pass, subjects);
  const left = all.length - subjects.length;
  const last = subjects.at(-1)?.name ?? after;
  // Before the commit: after it, the root shows no loss any more.
  const isAll = left === 0 && unread.size === 0;
  const next = unread.size > 0 ? after : last;
  if (!isAll) await survey.memory.keepRestoring(fleet, { ...(next && { after: next }) });
  const names = entries.size === 0 ? [] : await publisher.publishAgain(entries);
  if (isAll) await survey.memory.keepRestoring(fleet, undefined);
  const counts = { count: names.length, left, failed: unread.size };
  if (Object.values(counts).some((count) => count > 0)) {
    pass.log('manifest.restored', { fleet, reason, ...counts, certificates: names.slice(0, MAX_NAMED) });
  }
  const missing = new Map([...unread].filter(([name]) => isMissing(subjects, name)));
  return { read: subjects.length, count: names.length, unread: missing };
}

function isMissing(subjects: readonly RestoreSubject[], of: CertificateName): boolean {
  return subjects.some(({ name, entry }) => name === of && entry === undefined);
}

interface Loss {
  /** `unfinished`: an earlier pass did not come to the end. */
  reason: 'lost' | 'older' | 'damaged' | 'unfinished';
  /** It came so far. */
  after?: CertificateName | undefined;
}

async function lossOf(
  pass: Pass,
  survey: BucketSurvey,
  fleet: FleetName,
  publisher: Publisher,
): Promise<Loss | undefined> {
  if (!isLatest(survey, fleet)) {
    const reason = await fleetSigningReason(pass, survey, fleet, publisher);
    if (reason === 'lost' || reason === 'older') return { reason };
  }
  if (publisher.shards.isDamaged) return { reason: 'damaged' };
  const { restoring } = await survey.memory.of(fleet);
  return restoring && { reason: 'unfinished', after: restoring.after };
}

/** Whether nothing shows a loss of the root. */
function isLatest({ manifests, hosts }: BucketSurvey, fleet: FleetName): boolean {
  const manifest = manifests.get(fleet)?.manifest;
  return manifest !== undefined && !isBehindHosts(manifest, headsOf(hosts[fleet]));
}

/** All that the fleet's manifest names, and what is configured for it. */
async function subjectsOf({ config }: Pass, survey: BucketSurvey, fleet: FleetName) {
  const { certificates = {}, tombstones = {} } = survey.manifests.get(fleet)?.manifest ?? {};
  const known = await survey.memory.of(fleet);
  const ended = new Set([...endedDigests(tombstones), ...endedDigests(known.tombstones)]);
  const entries: Partial<Record<CertificateName, ManifestEntry>> = certificates;
  const specs = new Map(specsOfFleet(config.certificates, fleet).map((spec) => [spec.name, spec]));
  const names = new Set([...specs.keys(), ...(Object.keys(certificates) as CertificateName[])]);
  return [...names].sort().map((name): RestoreSubject => {
    return { fleet, name, spec: specs.get(name), entry: entries[name], ended };
  });
}

/** What cannot be read is told: the others come back. */
async function findAll({ bucket, timing }: Pass, subjects: readonly RestoreSubject[]) {
  const now = timing.now();
  const unread = new Map<CertificateName, BucketError>();
  const entries = new Map<CertificateName, ManifestEntry>();
  const find = async (subject: RestoreSubject) => {
    try {
      const entry = await findRestorable(bucket, subject, now);
      if (entry !== undefined) entries.set(subject.name, entry);
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
      unread.set(subject.name, error);
    }
  };
  await inParallel(subjects, CONCURRENCY, find, ({ name }) => name);
  return { entries, unread };
}
