/** The PEMs that were ever published under a name, as far as manifest, history and bucket know: what a tombstone has to end. */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { inParallel } from '#common/in-parallel.ts';
import { digest, parse } from '#contract/combined-pem.ts';
import { isObjectFault, PemRejected } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readHistory } from './history/history.ts';
import { type EndedPem, endedPemOf, unitePems, validPemsOf } from './tombstones.ts';

/** Read at the same time. */
const CONCURRENCY = 10;
/** Whoever may write there may have put more: those of the manifest and of the history are named in any case. */
const MAX_READ = 2000;
/** What an issuer writes there, below its prefix. */
const PEM_NAME = /^[0-9a-f]{64}\.pem$/;

/** @returns those that are still valid, and no others. @throws BucketError where the store fails: no object there does */
export async function publishedPems(
  bucket: Bucket,
  fleet: FleetName,
  { name, entry }: { name: CertificateName; entry: ManifestEntry | undefined },
  now: Date,
): Promise<EndedPem[]> {
  const keys = ((await listPems(bucket, fleet, name)) ?? []).slice(0, MAX_READ);
  const stored = await inParallel(
    keys,
    CONCURRENCY,
    (key) => readEnd(bucket, key),
    (key) => key,
  );
  const former = (await readHistory(bucket, fleet, name)).flatMap(({ pems }) => pems);
  const isValid = ({ notAfter }: EndedPem) => Date.parse(notAfter) > now.getTime();
  // Also those whose objects were deleted as garbage: hosts that slept have them still.
  const history = former.map(endedPemOf).filter(isValid);
  const valid = stored.filter((pem) => pem !== undefined).filter(isValid);
  return unitePems(validPemsOf(entry, now), history, valid);
}

/** @returns undefined for what no host would install, and for what cannot be read */
async function readEnd(bucket: Bucket, key: string): Promise<EndedPem | undefined> {
  try {
    const pem = await readStoredPem(bucket, key);
    return pem && { sha256: pem.sha256, notAfter: new Date(pem.leaf.validTo).toISOString() };
  } catch (error) {
    if (isObjectFault(error)) return undefined;
    throw error;
  }
}

interface StoredPem {
  sha256: string;
  leaf: X509Certificate;
  key: KeyObject;
}

/** Keys that an issuer may have written. @returns undefined if there are too many beside them to be listed */
export async function listPems(
  bucket: Bucket,
  fleet: FleetName,
  name: CertificateName,
): Promise<string[] | undefined> {
  const prefix = layout.pems(fleet, name);
  try {
    return (await bucket.list(prefix)).filter((key) => PEM_NAME.test(key.slice(prefix.length)));
  } catch (error) {
    if (isObjectFault(error)) return undefined;
    throw error;
  }
}

/** @returns undefined for what is not what its key says, or no PEM: no issuer has put it there. @throws BucketError */
export async function readStoredPem(bucket: Bucket, key: string): Promise<StoredPem | undefined> {
  const object = await bucket.get(key);
  if (object === undefined) return undefined;
  const sha256 = digest(object.body);
  if (!key.endsWith(`/${sha256}.pem`)) return undefined;
  try {
    const { leaf, key } = parse(object.body.toString('utf8'));
    return { sha256, leaf, key };
  } catch (error) {
    if (error instanceof PemRejected) return undefined;
    throw error;
  }
}
