/**
 * Published PEMs and staples whose object is missing from the bucket, or altered: hosts that have them serve them, and a new host cannot.
 * One page of the bucket's listing a pass covers all of a small fleet, and a large one within days; what hosts miss is read in any case.
 */
import { inParallel } from '#common/in-parallel.ts';
import { HOUR_MS } from '#common/time.ts';
import { digest } from '#contract/combined-pem.ts';
import { BucketError, messageOf } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { Manifest, PemRef } from '#contract/manifest.ts';
import type { Bucket, ListedSize } from '#storage/bucket.ts';
import { readUnlessSpoilt } from '#storage/cached-document.ts';
import { type HostSummaries, missingPemsOf } from '../fleet/hosts.ts';
import type { Pass } from '../pass.ts';
import type { PublishedFleets } from '../publication/publisher.ts';

const PAGE_KEYS = 1000;
/** Keys of PEMs and staples that one page surely covers: beside each lie earlier ones. */
const NAMED_A_PAGE = 100;
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

/** An object that a manifest names. */
interface NamedObject {
  key: string;
  sha256: string;
  /** In bytes; undefined: the manifest does not say. */
  size: number | undefined;
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
  const named = namedObjects(manifest);
  const byDigest = new Map(named.map((object) => [object.sha256, object]));
  const claimed = claims.flatMap((sha256) => byDigest.get(sha256) ?? []).slice(0, MAX_CLAIMS);
  const listed = await doubtfulInListing(bucket, manifest.fleet, named, now);
  // A listing shows no one moment: what it lacks may have come meanwhile.
  const doubtful = [...new Set([...claimed, ...listed])].slice(0, MAX_READ);
  const read = async (object: NamedObject) => ((await isWhole(bucket, object)) ? [] : [object.key]);
  const lost = await inParallel(doubtful, CONCURRENCY, read, ({ key }) => key);
  return new Set(lost.flat());
}

/** PEMs and staples, sorted by key. */
function namedObjects({ fleet, certificates }: Manifest): NamedObject[] {
  const objectsOf = (name: CertificateName, { sha256, size, ocsp }: PemRef): NamedObject[] => {
    const pem = { key: layout.pem(fleet, name, sha256), sha256, size };
    if (ocsp === undefined) return [pem];
    const key = layout.ocsp(fleet, name, sha256, ocsp.sha256);
    return [pem, { key, sha256: ocsp.sha256, size: ocsp.size }];
  };
  const named = Object.entries(certificates).flatMap(([name, { pems }]) =>
    pems.flatMap((pem) => objectsOf(name as CertificateName, pem)),
  );
  return named.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** What a page of the listing lacks, or has in another size, or written after the root that names it. */
async function doubtfulInListing(
  bucket: Bucket,
  fleet: FleetName,
  named: readonly NamedObject[],
  now: Date,
): Promise<NamedObject[]> {
  if (named.length === 0) return [];
  const first = named[startOf(named.length, now)]?.key ?? '';
  // The folder itself sorts before what is in it.
  const from = named.length <= NAMED_A_PAGE ? '' : first.slice(0, first.lastIndexOf('/') + 1);
  const page = await bucket.listAfter(layout.published(fleet), from, PAGE_KEYS);
  const last = page.length < PAGE_KEYS ? undefined : page.at(-1)?.key;
  const listed = new Map(page.map((one) => [one.key, one]));
  const root = listed.get(layout.root(fleet));
  const isCovered = (key: string) => key > from && (last === undefined || key <= last);
  return named.filter((object) => isCovered(object.key) && isDoubtful(object, listed.get(object.key), root));
}

/** What comes before its root is not written again but by a stranger, or to restore it. */
function isDoubtful(
  { size }: NamedObject,
  listed: ListedSize | undefined,
  root: ListedSize | undefined,
): boolean {
  if (listed === undefined || (size !== undefined && listed.size !== size)) return true;
  return root !== undefined && listed.modifiedAt > root.modifiedAt;
}

/** Each half hour some further on; what is behind the end comes from the start. */
function startOf(count: number, now: Date): number {
  const step = Math.floor(now.getTime() / (HOUR_MS / 2));
  return (step * NAMED_A_PAGE) % count;
}

async function isWhole(bucket: Bucket, { key, sha256 }: NamedObject): Promise<boolean> {
  const object = await readUnlessSpoilt(bucket, key);
  return object !== undefined && digest(object.body) === sha256;
}
