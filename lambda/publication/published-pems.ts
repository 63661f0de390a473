/** The PEMs that were ever published under a name, as far as manifest, history and bucket know: what a tombstone has to end. */
import { inParallel } from '#common/in-parallel.ts';
import { digest, parse } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readUnlessSpoilt } from '#storage/cached-document.ts';
import { readHistory } from './history/history.ts';
import { type EndedPem, unitePems, validPemsOf } from './tombstones.ts';

/** Read at the same time. */
const CONCURRENCY = 10;
/** Whoever may write there may have put more: those of the manifest and of the history are named in any case. */
const MAX_READ = 2000;

/** @returns those that are still valid, and no others */
export async function publishedPems(
  bucket: Bucket,
  fleet: FleetName,
  { name, entry }: { name: CertificateName; entry: ManifestEntry | undefined },
  now: Date,
): Promise<EndedPem[]> {
  const prefix = layout.pems(fleet, name);
  const keys = (await bucket.list(prefix)).filter((key) => key.endsWith('.pem')).slice(0, MAX_READ);
  const read = (key: string) => readEnd(bucket, prefix, key);
  const stored = await inParallel(keys, CONCURRENCY, read, (key) => key);
  const valid = stored.filter((pem) => pem !== undefined && Date.parse(pem.notAfter) > now.getTime());
  const history = await validInHistory(bucket, fleet, name, now);
  return unitePems(validPemsOf(entry, now), history, valid as EndedPem[]);
}

/** Also of objects that were deleted as garbage: hosts that slept have them still. */
async function validInHistory(
  bucket: Bucket,
  fleet: FleetName,
  name: CertificateName,
  now: Date,
): Promise<EndedPem[]> {
  const versions = await readHistory(bucket, fleet, name);
  const pems = versions.flatMap((version) => version.pems);
  return pems
    .filter(({ notAfter }) => Date.parse(notAfter) > now.getTime())
    .map(({ sha256, notAfter }) => ({ sha256, notAfter }));
}

/** @returns undefined for what no host would install */
async function readEnd(bucket: Bucket, prefix: string, key: string): Promise<EndedPem | undefined> {
  const sha256 = key.slice(prefix.length, -'.pem'.length);
  const object = await readUnlessSpoilt(bucket, key);
  if (object === undefined || digest(object.body) !== sha256) return undefined;
  try {
    const { leaf } = parse(object.body.toString('utf8'));
    return { sha256, notAfter: new Date(leaf.validTo).toISOString() };
  } catch (error) {
    if (error instanceof PemRejected) return undefined;
    throw error;
  }
}
