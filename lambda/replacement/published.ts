/** What is published of each configured certificate, read without a pass: by commands that only have the bucket. */
import { BucketError, ContractError } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type CertificateSpec, type Config, configuredFleets, orderedSpecs } from '../config/config.ts';
import { readOrderRecords, type StoredRecord } from '../order/record.ts';
import type { IssuerMemory } from '../publication/ended.ts';
import { newestEntry } from '../publication/entry.ts';
import { type OwnKeys, type ReadManifest, readManifest } from '../publication/read-manifest.ts';

export interface PublishedCertificate {
  spec: CertificateSpec;
  /** Undefined: nothing is published. */
  published: ManifestEntry | undefined;
  /** Of an order in flight or failing. */
  stored: StoredRecord | undefined;
}

export interface PublishedCertificates {
  certificates: readonly PublishedCertificate[];
  manifests: ReadonlyMap<FleetName, ReadManifest | undefined>;
  /** Fleets whose manifest cannot be read: their certificates are left out. */
  unreadable: ReadonlyMap<FleetName, ContractError | BucketError>;
  /** Published to these fleets and not configured: no pass replaces them. */
  unconfigured: readonly string[];
}

/** @throws BucketError where order records cannot be listed */
export async function readPublishedCertificates(
  { bucket, config, memory }: { bucket: Bucket; config: Config; memory?: IssuerMemory | undefined },
  keys: OwnKeys,
): Promise<PublishedCertificates> {
  const unreadable = new Map<FleetName, ContractError | BucketError>();
  const manifests = new Map<FleetName, ReadManifest | undefined>();
  for (const fleet of configuredFleets(config)) {
    try {
      manifests.set(fleet, await readManifest(bucket, fleet, keys, memory));
    } catch (error) {
      if (!(error instanceof ContractError || error instanceof BucketError)) throw error;
      unreadable.set(fleet, error);
    }
  }
  const { records, error } = await readOrderRecords(bucket);
  if (error !== undefined) throw error;
  // Nobody orders what is imported.
  const readable = orderedSpecs(config.certificates).filter(
    ({ fleets }) => !fleets.some((fleet) => unreadable.has(fleet)),
  );
  const certificates = readable.map((spec) => ({
    spec,
    published: newestEntry(spec, manifests),
    stored: records.get(spec.name),
  }));
  const names = new Set<string>(config.certificates.map(({ name }) => name));
  const all = [...manifests.values()].flatMap((read) => Object.keys(read?.manifest.certificates ?? {}));
  return {
    certificates,
    manifests,
    unreadable,
    unconfigured: [...new Set(all)].filter((name) => !names.has(name)),
  };
}
