/**
 * `issuer/tombstones/<fleet>.json`: what the issuer has ended in a fleet, and which key signed there last. It is the issuer's own memory: a
 * `published/` that was restored or tampered with brings nothing back that was withdrawn, and a key that was changed does not count again.
 */
import * as z from 'zod';
import { recordOf } from '#contract/collection.ts';
import { BucketError, ContractError } from '#contract/errors.ts';
import { parseJson } from '#contract/json.ts';
import {
  type CertificateName,
  certificateName,
  documentName,
  type FleetName,
  fleetName,
  layout,
} from '#contract/layout.ts';
import { MAX_CERTIFICATES, type Tombstone, tombstone } from '#contract/manifest.ts';
import { type PublicKey, publicKey } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';
import { serializeCached } from '#storage/cached-document.ts';
import { FleetShards } from './shards/fleet-shards.ts';
import { livingTombstones, sameTombstones, uniteTombstones, withoutDigests } from './tombstones.ts';

const fleetRecord = z.looseObject({
  version: z.literal(1),
  /** Signed the fleet's root last. Absent: it never had one. */
  key: publicKey.optional(),
  tombstones: recordOf(certificateName, tombstone, MAX_CERTIFICATES),
  /** What was lost is not all restored from the history: the next pass goes on behind this name. Absent: all is. */
  restoring: z.looseObject({ after: certificateName.optional() }).optional(),
});
type FleetRecord = z.infer<typeof fleetRecord>;

/** What the issuer knows of a fleet without looking at `published/`. */
export interface FleetMemory {
  key?: PublicKey | undefined;
  tombstones: Readonly<Record<string, Tombstone>>;
  restoring?: { after?: CertificateName | undefined } | undefined;
}

interface StoredRecord {
  record: FleetRecord;
  etag: string | undefined;
}

const NOTHING: FleetRecord = { version: 1, tombstones: {} };
const MAX_TRIES = 20;

/** Reads the record of each fleet once. */
export class IssuerMemory {
  readonly #bucket: Bucket;
  readonly #shards = new Map<FleetName, FleetShards>();
  readonly #read = new Map<FleetName, Promise<StoredRecord>>();

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  /** Fleets of which there is a record, whatever has become of their roots. @throws BucketError */
  async fleets(): Promise<FleetName[]> {
    const keys = await this.#bucket.list(layout.allTombstones);
    return keys.flatMap((key) => fleetOf(key) ?? []);
  }

  /** The shards of the fleet's manifest, as far as they were read with this memory. */
  shardsOf(fleet: FleetName): FleetShards {
    const shards = this.#shards.get(fleet) ?? new FleetShards(this.#bucket, fleet);
    this.#shards.set(fleet, shards);
    return shards;
  }

  /** @throws ContractError `ERR_TOMBSTONES`; BucketError */
  async of(fleet: FleetName): Promise<FleetMemory> {
    return (await this.#stored(fleet)).record;
  }

  /**
   * Adds to what is known of the fleet, and forgets tombstones that are over `now`. Writes nothing that is known already.
   * @throws BucketError `ERR_BUCKET_CONFLICT`
   */
  async keep(fleet: FleetName, news: Partial<FleetMemory>, now: Date): Promise<void> {
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      const { record: old, etag } = await this.#stored(fleet);
      const all = uniteTombstones(old.tombstones, news.tombstones ?? {});
      const tombstones = livingTombstones(all, now);
      const known = { ...old, ...(news.key && { key: news.key }), tombstones };
      if (known.key === old.key && sameTombstones(known.tombstones, old.tombstones)) return;
      if (await this.#write(fleet, known, etag)) return;
    }
    throw new BucketError(
      'ERR_BUCKET_CONFLICT',
      layout.tombstones(fleet),
      `other writers were faster ${MAX_TRIES} times`,
    );
  }

  /** How far what was lost has come back; undefined: all of it has. @throws ContractError, BucketError */
  async keepRestoring(fleet: FleetName, restoring: FleetMemory['restoring']): Promise<void> {
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      const { record: old, etag } = await this.#stored(fleet);
      if (JSON.stringify(old.restoring) === JSON.stringify(restoring)) return;
      const { restoring: _, ...rest } = old;
      if (await this.#write(fleet, { ...rest, ...(restoring && { restoring }) }, etag)) return;
    }
  }

  /** An operator wants these PEMs again. */
  async reinstate(fleet: FleetName, sha256s: ReadonlySet<string>): Promise<void> {
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      const { record: old, etag } = await this.#stored(fleet);
      const tombstones = withoutDigests(old.tombstones, sha256s);
      if (sameTombstones(tombstones, old.tombstones)) return;
      if (await this.#write(fleet, { ...old, tombstones }, etag)) return;
    }
  }

  /** Whether the fleet ever had a root. Also of one whose record cannot be read: it is worked on, and fails by itself. */
  async hadRoot(fleet: FleetName): Promise<boolean> {
    try {
      return (await this.of(fleet)).key !== undefined;
    } catch (error) {
      if (error instanceof ContractError || error instanceof BucketError) return true;
      throw error;
    }
  }

  /** @returns whether it was written: if not, the next reading has what another writer wrote */
  async #write(fleet: FleetName, record: FleetRecord, etag: string | undefined): Promise<boolean> {
    const condition = etag === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: etag };
    const result = await this.#bucket.put(layout.tombstones(fleet), serializeCached(record), condition);
    this.#read.delete(fleet);
    if (result === 'precondition-failed') return false;
    this.#read.set(fleet, Promise.resolve({ record, etag: result.etag }));
    return true;
  }

  #stored(fleet: FleetName): Promise<StoredRecord> {
    const known = this.#read.get(fleet);
    if (known !== undefined) return known;
    const read = readRecord(this.#bucket, fleet).catch((error: unknown) => {
      // What comes later in the pass asks again: the store may have been out of reach for a moment.
      this.#read.delete(fleet);
      throw error;
    });
    this.#read.set(fleet, read);
    return read;
  }
}

function fleetOf(key: string): FleetName | undefined {
  const fleet = fleetName.safeParse(documentName(layout.allTombstones, key)).data;
  return fleet !== undefined && layout.tombstones(fleet) === key ? fleet : undefined;
}

async function readRecord(bucket: Bucket, fleet: FleetName): Promise<StoredRecord> {
  const key = layout.tombstones(fleet);
  const object = await bucket.get(key);
  if (object === undefined) return { record: NOTHING, etag: undefined };
  const read = fleetRecord.safeParse(jsonOf(object.body));
  if (read.success) return { record: read.data, etag: object.etag };
  const says = 'is no record of tombstones that this version can read; restore it, or upgrade';
  throw new ContractError('ERR_TOMBSTONES', key, says);
}

function jsonOf(body: Buffer): unknown {
  try {
    return parseJson(body);
  } catch {
    return undefined;
  }
}
