/**
 * Makes a certificate visible to a fleet: first it puts the PEM under its digest, then the manifest, on the
 * condition that no other writer has changed it since it was read. It writes nothing that is published already.
 */
import { batched } from '#common/batched.ts';
import { BucketError } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import {
  emptyManifest,
  type Manifest,
  type ManifestEntry,
  parseManifest,
  sameEntry,
  samePems,
  serializeManifest,
} from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';

/** A manifest and the ETag under which it may be replaced. */
export interface ReadManifest {
  manifest: Manifest;
  etag: string;
}

/** A combined PEM with the digest that makes its key, and the OCSP response that belongs to it. */
export interface PemText {
  sha256: string;
  text: string;
  ocsp?: { sha256: string; body: Buffer } | undefined;
}

/** The fleets of a pass, with what each serves now and with what changes it. */
export interface PublishedFleets {
  /** `undefined` for a fleet that has no manifest yet. */
  readonly manifests: ReadonlyMap<FleetName, ReadManifest | undefined>;
  readonly publishers: ReadonlyMap<FleetName, Publisher>;
}

export function createPublishers(
  bucket: Bucket,
  fleets: Iterable<FleetName>,
  now: () => Date,
): PublishedFleets['publishers'] {
  return new Map([...fleets].map((fleet) => [fleet, new Publisher(bucket, fleet, now)]));
}

/** Enough for thirty writers that race for one manifest: each time, one of them gets through. */
const MAX_TRIES = 50;

/** @returns undefined if the fleet has none yet. @throws BucketError, ContractError */
export async function readManifest(bucket: Bucket, fleet: FleetName): Promise<ReadManifest | undefined> {
  const object = await bucket.get(layout.manifest(fleet));
  return object && { manifest: parseManifest(fleet, object.body), etag: object.etag };
}

interface Change {
  name: CertificateName;
  entry: ManifestEntry;
  only: 'staples' | undefined;
}

/** Publishes to one fleet. Changes that come during a write of the manifest share the next write. */
export class Publisher {
  readonly #bucket: Bucket;
  readonly #fleet: FleetName;
  readonly #now: () => Date;
  /** @returns the names whose entry has changed */
  readonly #commit: (change: Change) => Promise<ReadonlySet<CertificateName>>;
  #latest: ReadManifest | undefined;

  constructor(bucket: Bucket, fleet: FleetName, now: () => Date) {
    this.#bucket = bucket;
    this.#fleet = fleet;
    this.#now = now;
    this.#commit = batched((changes) => this.#commitAll(changes));
  }

  /** The manifest after the last write; undefined if there was none. */
  get latest(): ReadManifest | undefined {
    return this.#latest;
  }

  /**
   * @param texts the PEMs of `entry`, in the same order
   * @param only `staples`: changes nothing if `entry` has other PEMs than the manifest, where another pass was faster
   * @throws BucketError, ContractError
   */
  async publish(
    name: CertificateName,
    entry: ManifestEntry,
    texts: readonly PemText[],
    only?: 'staples',
  ): Promise<'published' | 'unchanged'> {
    for (const text of texts) await this.#putImmutable(name, text);
    const changed = await this.#commit({ name, entry, only });
    return changed.has(name) ? 'published' : 'unchanged';
  }

  /** The key holds the digest: an object that exists has the same bytes. */
  async #putImmutable(name: CertificateName, { sha256, text, ocsp }: PemText): Promise<void> {
    await this.#bucket.put(layout.pem(this.#fleet, name, sha256), text, { ifNoneMatch: '*' });
    if (ocsp === undefined) return;
    const key = layout.ocsp(this.#fleet, name, sha256, ocsp.sha256);
    await this.#bucket.put(key, ocsp.body, { ifNoneMatch: '*' });
  }

  async #commitAll(changes: readonly Change[]): Promise<ReadonlySet<CertificateName>> {
    const key = layout.manifest(this.#fleet);
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      const read = await readManifest(this.#bucket, this.#fleet);
      const now = this.#now();
      const { merged, changed } = merge(read?.manifest ?? emptyManifest(this.#fleet, now), changes, now);
      if (changed.size === 0) return changed;
      const condition = read === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: read.etag };
      const result = await this.#bucket.put(key, serializeManifest(merged), condition);
      if (result === 'precondition-failed') continue;
      this.#latest = { manifest: merged, etag: result.etag };
      return changed;
    }
    throw new BucketError(
      'ERR_BUCKET_CONFLICT',
      key,
      `other writers were faster ${MAX_TRIES} times; the next pass tries again`,
    );
  }
}

function merge(
  manifest: Manifest,
  changes: readonly Change[],
  now: Date,
): { merged: Manifest; changed: ReadonlySet<CertificateName> } {
  const changed = new Set<CertificateName>();
  const certificates = { ...manifest.certificates };
  for (const { name, entry, only } of changes) {
    const old = certificates[name];
    if (sameEntry(old, entry) || (only === 'staples' && !samePems(old, entry))) continue;
    changed.add(name);
    if (old !== undefined && samePems(old, entry)) {
      // Fresh staples, or another line in crt-lists, make no new publication: the one before stays.
      const { haproxy: _, ...kept } = old;
      const haproxy = only === 'staples' ? old.haproxy : entry.haproxy;
      certificates[name] = { ...kept, pems: entry.pems, haproxy };
      continue;
    }
    // `entry.previous` may be another fleet's: it would name PEMs that this fleet's prefix does not have.
    const { previous: _, ...publication } = entry;
    const previous = old && { publishedAt: old.publishedAt, pems: old.pems };
    certificates[name] = { ...publication, previous };
  }
  return { merged: { ...manifest, updatedAt: now.toISOString(), certificates }, changed };
}
