/** What a pass finds in the bucket. What cannot be read hinders the certificates that it concerns, and no others. */
import { ContractError } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { CertificateSpec } from '../config/config.ts';
import { readOrderRecords, type StoredRecord } from '../order/record.ts';
import { type ReadManifest, readManifest } from '../publication/publisher.ts';

export interface Survey {
  manifests: ReadonlyMap<FleetName, ReadManifest | undefined>;
  records: ReadonlyMap<string, StoredRecord>;
  /** By certificate: a broken manifest of one of its fleets, or its own order record. */
  blocked: ReadonlyMap<string, Error>;
}

export async function surveyBucket(bucket: Bucket, specs: readonly CertificateSpec[]): Promise<Survey> {
  const fleets = [...new Set(specs.flatMap((spec) => spec.fleets))];
  const read = await Promise.all(
    fleets.map(async (fleet) => [fleet, await readOrBroken(bucket, fleet)] as const),
  );
  const broken = new Map(
    read.flatMap(([fleet, manifest]) => (manifest instanceof Error ? [[fleet, manifest]] : [])),
  );
  const manifests = new Map(
    read.flatMap(([fleet, manifest]) => (manifest instanceof Error ? [] : [[fleet, manifest]])),
  );
  const { records, unreadable } = await readOrderRecords(bucket);
  const blocked = new Map(unreadable);
  for (const { name, fleets: own } of specs) {
    const error = own.map((fleet) => broken.get(fleet)).find((found) => found !== undefined);
    if (error !== undefined) blocked.set(name, error);
  }
  return { manifests, records, blocked };
}

async function readOrBroken(
  bucket: Bucket,
  fleet: FleetName,
): Promise<ReadManifest | ContractError | undefined> {
  try {
    return await readManifest(bucket, fleet);
  } catch (error) {
    if (error instanceof ContractError) return error;
    throw error;
  }
}
