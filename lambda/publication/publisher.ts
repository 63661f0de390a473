/**
 * Makes a certificate visible to a fleet: the PEM under its digest first, then the manifest, under the condition
 * that it is still the one that was read. What is published already is not written again.
 */
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

export interface ReadManifest {
  manifest: Manifest;
  etag: string;
}

/** A PEM's text beside the digest that is its key, and the OCSP response that belongs to it. */
export interface PemText {
  sha256: string;
  text: string;
  ocsp?: { sha256: string; body: Buffer };
}

export interface Publisher {
  publish(
    name: CertificateName,
    entry: ManifestEntry,
    texts: readonly PemText[],
    /** `staples`: only where these PEMs are still the published ones; somebody may have been faster. */
    what?: 'staples',
  ): Promise<'published' | 'unchanged'>;
  /** What the last write has left; undefined if there was none. */
  readonly latest: ReadManifest | undefined;
}

export type Publishers = ReadonlyMap<FleetName, Publisher>;

/** The fleets of a pass: what each of them serves now, and who changes it. */
export interface PublishedFleets {
  /** A fleet without a manifest has none yet. */
  readonly manifests: ReadonlyMap<FleetName, ReadManifest | undefined>;
  readonly publishers: Publishers;
}

export function createPublishers(bucket: Bucket, fleets: Iterable<FleetName>, now: () => Date): Publishers {
  return new Map([...fleets].map((fleet) => [fleet, createPublisher(bucket, fleet, now)]));
}

/** Enough for thirty writers that race for one manifest: each round, one of them gets through. */
const MAX_TRIES = 50;

export async function readManifest(bucket: Bucket, fleet: FleetName): Promise<ReadManifest | undefined> {
  const object = await bucket.get(layout.manifest(fleet));
  return object && { manifest: parseManifest(fleet, object.body), etag: object.etag };
}

interface Change {
  name: CertificateName;
  entry: ManifestEntry;
  what: 'staples' | undefined;
  done: (result: 'published' | 'unchanged') => void;
  failed: (error: unknown) => void;
}

/** Changes that come while the manifest is being written share the next write. */
export function createPublisher(bucket: Bucket, fleet: FleetName, now: () => Date): Publisher {
  let waiting: Change[] = [];
  let isWriting = false;
  let latest: ReadManifest | undefined;

  async function drain(): Promise<void> {
    isWriting = true;
    while (waiting.length > 0) {
      const changes = waiting;
      waiting = [];
      try {
        const { changed, written } = await commit(bucket, fleet, changes, now);
        latest = written ?? latest;
        for (const change of changes) change.done(changed.has(change.name) ? 'published' : 'unchanged');
      } catch (error) {
        for (const change of changes) change.failed(error);
      }
    }
    isWriting = false;
  }

  return {
    get latest() {
      return latest;
    },
    publish: async (name, entry, texts, what) => {
      for (const { sha256, text, ocsp } of texts) {
        // Immutable: a PEM that is there already has the same bytes.
        await bucket.put(layout.pem(fleet, name, sha256), text, { ifNoneMatch: '*' });
        if (ocsp !== undefined) {
          await bucket.put(layout.ocsp(fleet, name, sha256, ocsp.sha256), ocsp.body, { ifNoneMatch: '*' });
        }
      }
      return new Promise((done, failed) => {
        waiting.push({ name, entry, what, done, failed });
        if (!isWriting) void drain();
      });
    },
  };
}

async function commit(
  bucket: Bucket,
  fleet: FleetName,
  changes: Change[],
  now: () => Date,
): Promise<{ changed: Set<string>; written?: ReadManifest }> {
  const key = layout.manifest(fleet);
  for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
    const read = await readManifest(bucket, fleet);
    const { merged, changed } = merge(read?.manifest ?? emptyManifest(fleet, now()), changes, now());
    if (changed.size === 0) return { changed };
    const condition = read === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: read.etag };
    const result = await bucket.put(key, serializeManifest(merged), condition);
    if (result !== 'precondition-failed') {
      return { changed, written: { manifest: merged, etag: result.etag } };
    }
  }
  throw new BucketError(
    'ERR_BUCKET_CONFLICT',
    key,
    `other writers were faster ${MAX_TRIES} times; the next pass tries again`,
  );
}

function merge(manifest: Manifest, changes: Change[], now: Date): { merged: Manifest; changed: Set<string> } {
  const changed = new Set<string>();
  const certificates = { ...manifest.certificates };
  for (const { name, entry, what } of changes) {
    const old = certificates[name];
    if (sameEntry(old, entry) || (what === 'staples' && !samePems(old, entry))) continue;
    changed.add(name);
    if (old !== undefined && samePems(old, entry)) {
      // Fresh staples, or another line in the crt-list, are no other publication: what was before it stays.
      const { haproxy: _, ...kept } = old;
      const haproxy = what === 'staples' ? old.haproxy : entry.haproxy;
      certificates[name] = { ...kept, pems: entry.pems, ...(haproxy && { haproxy }) };
      continue;
    }
    // Of another fleet, the publication before would name PEMs that are not in this fleet's prefix.
    const { previous: _, ...publication } = entry;
    const previous = old && { publishedAt: old.publishedAt, pems: old.pems };
    certificates[name] = { ...publication, ...(previous && { previous }) };
  }
  return { merged: { ...manifest, updatedAt: now.toISOString(), certificates }, changed };
}
