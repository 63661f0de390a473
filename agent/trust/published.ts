/** What a poll reads of `published/`, and what it remembers of it, so that the next poll can see cheaply that nothing has changed. */
import { codeOf } from '#contract/errors.ts';
import { parseKeys } from '#contract/key-chain.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import type { HostBucket, StoredObject } from '#storage/bucket.ts';

/** By key: the ETag; `undefined`: there is no such object; `denied`: nor a right to know that. */
export type Reads = Map<string, string | undefined>;

const DENIED = 'denied';

export interface PublishedReader {
  bucket: HostBucket;
  reads: Reads;
}

/**
 * @param etag of what the host has
 * @throws BucketError
 */
export async function readPublished(
  { bucket, reads }: PublishedReader,
  key: string,
  etag?: string | undefined,
): Promise<StoredObject | 'not-modified' | undefined> {
  reads.set(key, etag);
  const answer = await getIf(bucket, key, etag);
  if (answer !== 'not-modified') reads.set(key, answer?.etag);
  return answer;
}

/** A host may not list: S3 then answers "denied" where an object is missing. */
export async function readIfThere(
  reader: PublishedReader,
  ...[key, etag]: [key: string, etag?: string | undefined]
): Promise<StoredObject | 'not-modified' | undefined> {
  try {
    return await readPublished(reader, key, etag);
  } catch (error) {
    if (codeOf(error) !== 'ERR_BUCKET_DENIED') throw error;
    reader.reads.set(key, DENIED);
    return undefined;
  }
}

/** @returns none where there is no keys.json. @throws BucketError, ContractError */
export async function readStatements(reader: PublishedReader, fleet: FleetName): Promise<string[]> {
  const object = await readIfThere(reader, layout.keys(fleet));
  return object === undefined || object === 'not-modified' ? [] : parseKeys(fleet, object.body);
}

/** One conditional read for each object of `reads`. @throws BucketError */
export async function isUnchangedIn(bucket: HostBucket, reads: Reads): Promise<boolean> {
  for (const [key, etag] of reads) {
    const isDenied = etag === DENIED;
    const answer = await getIf(bucket, key, isDenied ? undefined : etag).catch((error: unknown) => {
      if (isDenied && codeOf(error) === 'ERR_BUCKET_DENIED') return undefined;
      throw error;
    });
    const isSame = etag === undefined || isDenied ? answer === undefined : answer === 'not-modified';
    if (!isSame) return false;
  }
  return reads.size > 0;
}

function getIf(bucket: HostBucket, key: string, etag: string | undefined) {
  return etag === undefined ? bucket.get(key) : bucket.get(key, { ifNoneMatch: etag });
}
