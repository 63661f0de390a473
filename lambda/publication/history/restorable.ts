/**
 * What a fleet had published before its root was lost, or replaced by an older copy: the issuer's own history names it, and its PEM mostly
 * lies in the bucket still, so that no order is needed. The history is the issuer's; the PEM is believed by its digest, and verified.
 */
import { parse } from '#contract/combined-pem.ts';
import { ContractError, isObjectFault, PemRejected } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { CertificateSpec } from '../../config/config.ts';
import { checkCopy, pemRefOf, readPem } from '../entry.ts';
import { isNewer } from '../merge.ts';
import { type PublishedVersion, readHistory } from './history.ts';

/** One certificate of a fleet. */
export interface RestoreSubject {
  fleet: FleetName;
  name: CertificateName;
  /** Undefined: it is not configured for the fleet. */
  spec: CertificateSpec | undefined;
  /** What the fleet's manifest has; undefined: nothing. */
  entry: ManifestEntry | undefined;
  /** Digests that a tombstone names. */
  ended: ReadonlySet<string>;
}

/**
 * @returns the newest version that is valid, not ended, newer than `entry` and whole in the bucket; undefined if there is none
 * @throws BucketError where the store is out of reach
 */
export async function findRestorable(
  bucket: Bucket,
  subject: RestoreSubject,
  now: Date,
): Promise<ManifestEntry | undefined> {
  const versions = await readHistory(bucket, subject.fleet, subject.name);
  for (const version of candidates(versions, subject, now)) {
    const entry = await entryOf(bucket, subject, version, now);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** Newest first. What came before an ended version may have its key, or its fault: it does not come back either. */
function candidates(
  versions: readonly PublishedVersion[],
  { entry, ended }: RestoreSubject,
  now: Date,
): PublishedVersion[] {
  const sorted = [...versions].sort((a, b) => (b.sequence ?? 0) - (a.sequence ?? 0));
  const last = sorted.findIndex(({ pems }) => pems.some(({ sha256 }) => ended.has(sha256)));
  return sorted
    .slice(0, last === -1 ? undefined : last)
    .filter((version) => entry === undefined || isNewer(version, entry))
    .filter(({ pems }) => pems.length > 0 && pems.every(({ notAfter }) => new Date(notAfter) > now));
}

/** @returns undefined if a PEM is missing, altered, or not what it is to be */
async function entryOf(
  bucket: Bucket,
  { fleet, name, spec, entry }: RestoreSubject,
  version: PublishedVersion,
  now: Date,
): Promise<ManifestEntry | undefined> {
  const { publishedAt, sequence, identifiers = entry?.identifiers, issued = entry?.issued } = version;
  if (identifiers === undefined || issued === undefined) return undefined;
  try {
    const read = version.pems.map(({ sha256 }) => readPem(bucket, fleet, name, { sha256 }));
    const texts = await Promise.all(read);
    checkCopy({ identifiers, name }, { ...version, issued }, { source: fleet, texts, now });
    const pems = texts.map(({ text }) => pemRefOf({ text, pem: parse(text) }));
    const haproxy = spec === undefined ? entry?.haproxy : spec.haproxy;
    return { identifiers, publishedAt, issued, pems, haproxy, sequence };
  } catch (error) {
    if (isObjectFault(error) || error instanceof PemRejected || error instanceof ContractError)
      return undefined;
    throw error;
  }
}
