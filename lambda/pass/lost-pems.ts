/**
 * Published PEMs whose object is missing from the bucket, or altered: hosts that have them serve them, and a new host cannot. One page of
 * the bucket's listing a pass covers all of a small fleet, and a large one within days; what hosts miss is looked at in any case.
 */
import { inParallel } from '#common/in-parallel.ts';
import { HOUR_MS } from '#common/time.ts';
import { digest } from '#contract/combined-pem.ts';
import { BucketError, messageOf } from '#contract/errors.ts';
import { type CertificateName, layout } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readUnlessSpoilt } from '#storage/cached-document.ts';
import { type HostSummaries, missingPemsOf } from '../fleet/hosts.ts';
import type { Pass } from '../pass.ts';
import type { PublishedFleets } from '../publication/publisher.ts';

const PAGE_KEYS = 1000;
/** Keys of PEMs that one page surely covers: beside each lie earlier ones, and OCSP responses. */
const PEMS_A_PAGE = 100;
/** Objects that are read in one pass, to be sure. */
const MAX_READ = 500;
const CONCURRENCY = 10;
/** Keys in one event. */
const MAX_NAMED = 20;
/** A host may claim to miss anything: so many objects are read to see. */
const MAX_CLAIMS = 20;

interface LostPemsInput {
  manifest: Manifest;
  /** SHA-256 of PEMs that hosts say they cannot get, most often said first. */
  claims: readonly string[];
  now: Date;
}

/** @returns the keys of all fleets. What cannot be asked is logged, and stops nothing */
export async function surveyLostPems(
  { bucket, log, timing }: Pick<Pass, 'bucket' | 'log' | 'timing'>,
  { manifests }: Pick<PublishedFleets, 'manifests'>,
  hosts: HostSummaries['fleets'],
): Promise<ReadonlySet<string>> {
  const lost = new Set<string>();
  for (const [fleet, read] of manifests) {
    if (read === undefined) continue;
    try {
      const input = { manifest: read.manifest, claims: missingPemsOf(hosts[fleet]), now: timing.now() };
      const keys = await findLostPems(bucket, input);
      if (keys.size > 0) log('pem.lost', { fleet, count: keys.size, pems: [...keys].slice(0, MAX_NAMED) });
      for (const key of keys) lost.add(key);
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
      log('pem.unchecked', { fleet, code: error.code, error: messageOf(error) });
    }
  }
  return lost;
}

/** @returns keys. @throws BucketError */
export async function findLostPems(
  bucket: Bucket,
  { manifest, claims, now }: LostPemsInput,
): Promise<Set<string>> {
  const published = keysOf(manifest);
  const listed = await missingInListing(bucket, manifest, published, now);
  const byDigest = new Map(published.map((key) => [digestIn(key), key]));
  const claimed = claims.flatMap((sha256) => byDigest.get(sha256) ?? []).slice(0, MAX_CLAIMS);
  // A listing shows no one moment: what it lacks may have come meanwhile.
  const doubtful = [...new Set([...claimed, ...listed])].slice(0, MAX_READ);
  const read = async (key: string) => ((await isWhole(bucket, key)) ? [] : [key]);
  const lost = await inParallel(doubtful, CONCURRENCY, read, (key) => key);
  return new Set(lost.flat());
}

/** Of all PEMs that a manifest names. */
function keysOf({ fleet, certificates }: Manifest): string[] {
  return Object.entries(certificates).flatMap(([name, { pems }]) =>
    pems.map(({ sha256 }) => layout.pem(fleet, name as CertificateName, sha256)),
  );
}

function digestIn(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1, -'.pem'.length);
}

async function missingInListing(
  bucket: Bucket,
  { fleet }: Manifest,
  keys: readonly string[],
  now: Date,
): Promise<string[]> {
  if (keys.length === 0) return [];
  const prefix = layout.fleetPems(fleet);
  const sorted = [...keys].sort();
  const first = sorted[startOf(sorted.length, now)] ?? '';
  // The folder itself sorts before what is in it.
  const from = keys.length <= PEMS_A_PAGE ? '' : first.slice(0, first.lastIndexOf('/') + 1);
  const page = await bucket.listAfter(prefix, from, PAGE_KEYS);
  const last = page.length < PAGE_KEYS ? undefined : page.at(-1)?.key;
  const there = new Set(page.map(({ key }) => key));
  const isCovered = (key: string) => key > from && (last === undefined || key <= last);
  return sorted.filter((key) => isCovered(key) && !there.has(key));
}

/** Each half hour some further on; what is behind the end comes from the start. */
function startOf(count: number, now: Date): number {
  const step = Math.floor(now.getTime() / (HOUR_MS / 2));
  return (step * PEMS_A_PAGE) % count;
}

async function isWhole(bucket: Bucket, key: string): Promise<boolean> {
  const object = await readUnlessSpoilt(bucket, key);
  return object !== undefined && digest(object.body) === digestIn(key);
}
