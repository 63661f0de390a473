/**
 * `issuer/tombstones.json`: what the issuer has ended in each fleet, and which key signed there last. It is the issuer's own memory: a
 * `published/` that was restored or tampered with brings nothing back that was withdrawn, and a key that was changed does not count again.
 */
import * as z from 'zod';
import { recordOf } from '#contract/collection.ts';
import { serializeDocument } from '#contract/document.ts';
import { BucketError, ContractError } from '#contract/errors.ts';
import { parseJson } from '#contract/json.ts';
import { certificateName, type FleetName, fleetName, layout } from '#contract/layout.ts';
import { MAX_CERTIFICATES, type Tombstone, tombstone } from '#contract/manifest.ts';
import { type PublicKey, publicKey } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';
import { FleetShards } from './shards/fleet-shards.ts';
import { isOver, sameTombstones, uniteTombstones } from './tombstones.ts';

const MAX_FLEETS = 10_000;

const fleetRecord = z.looseObject({
  /** Signed the fleet's root last. Absent: it never had one. */
  key: publicKey.optional(),
  tombstones: recordOf(certificateName, tombstone, MAX_CERTIFICATES),
});

const endedRecord = z.looseObject({
  version: z.literal(1),
  fleets: recordOf(fleetName, fleetRecord, MAX_FLEETS),
});
type EndedRecord = z.infer<typeof endedRecord>;

/** What the issuer knows of a fleet without looking at `published/`. */
export interface FleetMemory {
  key?: PublicKey | undefined;
  tombstones: Readonly<Record<string, Tombstone>>;
}

const NOTHING: FleetMemory = { tombstones: {} };
const MAX_TRIES = 20;

/** Reads the record once; of all fleets. */
export class IssuerMemory {
  readonly #bucket: Bucket;
  readonly #shards = new Map<FleetName, FleetShards>();
  #read: Promise<{ record: EndedRecord; etag: string | undefined }> | undefined;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  /** Fleets that ever had a root, whether it is lost or not. @throws ContractError `ERR_TOMBSTONES`; BucketError */
  async fleets(): Promise<FleetName[]> {
    const { record } = await this.#stored();
    return Object.entries(record.fleets).flatMap(([fleet, { key }]) =>
      key === undefined ? [] : [fleet as FleetName],
    );
  }

  /** The shards of the fleet's manifest, as far as they were read with this memory. */
  shardsOf(fleet: FleetName): FleetShards {
    const shards = this.#shards.get(fleet) ?? new FleetShards(this.#bucket, fleet);
    this.#shards.set(fleet, shards);
    return shards;
  }

  /** @throws ContractError `ERR_TOMBSTONES`; BucketError */
  async of(fleet: FleetName): Promise<FleetMemory> {
    const { record } = await this.#stored();
    return record.fleets[fleet] ?? NOTHING;
  }

  /**
   * Adds to what is known of the fleet, and forgets tombstones that are over `now`. Writes nothing that is known already.
   * @throws BucketError `ERR_BUCKET_CONFLICT`
   */
  async keep(fleet: FleetName, news: Partial<FleetMemory>, now: Date): Promise<void> {
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      const { record, etag } = await this.#stored();
      const old = record.fleets[fleet] ?? NOTHING;
      const tombstones = united(old, news, now);
      const known = { ...old, ...(news.key && { key: news.key }), tombstones };
      if (known.key === old.key && sameTombstones(known.tombstones, old.tombstones)) return;
      if (await this.#write({ ...record, fleets: { ...record.fleets, [fleet]: known } }, etag)) return;
    }
    throw new BucketError(
      'ERR_BUCKET_CONFLICT',
      layout.tombstones,
      `other writers were faster ${MAX_TRIES} times`,
    );
  }

  /** An operator wants these PEMs again. */
  async reinstate(fleet: FleetName, sha256s: ReadonlySet<string>): Promise<void> {
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      const { record, etag } = await this.#stored();
      const old = record.fleets[fleet] ?? NOTHING;
      const tombstones = withoutPems(old.tombstones, sha256s);
      if (sameTombstones(tombstones, old.tombstones)) return;
      const fleets = { ...record.fleets, [fleet]: { ...old, tombstones } };
      if (await this.#write({ ...record, fleets }, etag)) return;
    }
  }

  /** @returns whether it was written: if not, the next reading has what another writer wrote */
  async #write(record: EndedRecord, etag: string | undefined): Promise<boolean> {
    const condition = etag === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: etag };
    const result = await this.#bucket.put(layout.tombstones, serializeDocument(record), condition);
    this.#read = undefined;
    if (result === 'precondition-failed') return false;
    this.#read = Promise.resolve({ record, etag: result.etag });
    return true;
  }

  #stored() {
    this.#read ??= readRecord(this.#bucket);
    return this.#read;
  }
}

async function readRecord(bucket: Bucket): Promise<{ record: EndedRecord; etag: string | undefined }> {
  const object = await bucket.get(layout.tombstones);
  if (object === undefined) return { record: { version: 1, fleets: {} }, etag: undefined };
  const read = endedRecord.safeParse(jsonOf(object.body));
  if (read.success) return { record: read.data, etag: object.etag };
  const says = 'is no record of tombstones that this version can read; restore it, or upgrade';
  throw new ContractError('ERR_TOMBSTONES', layout.tombstones, says);
}

function jsonOf(body: Buffer): unknown {
  try {
    return parseJson(body);
  } catch {
    return undefined;
  }
}

function united(
  old: FleetMemory,
  { tombstones = {} }: Partial<FleetMemory>,
  now: Date,
): Record<string, Tombstone> {
  const all = uniteTombstones(old.tombstones, tombstones);
  return Object.fromEntries(Object.entries(all).filter(([, one]) => !isOver(one, now)));
}

function withoutPems(
  tombstones: FleetMemory['tombstones'],
  sha256s: ReadonlySet<string>,
): Record<string, Tombstone> {
  const rest = Object.entries(tombstones).flatMap(([name, one]) => {
    const pems = one.pems.filter(({ sha256 }) => !sha256s.has(sha256));
    return pems.length === 0 ? [] : [[name, { ...one, pems }] as const];
  });
  return Object.fromEntries(rest);
}
