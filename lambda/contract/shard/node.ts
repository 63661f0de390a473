/**
 * Shards: the certificates of a large manifest, as a tree of objects that are named by their digest. The root holds the digests of up to 64
 * of them; so does an inner node, and a leaf holds certificates with their tombstones. The digest of a certificate's name says where it is,
 * six bits for each level. A change writes one leaf, the nodes above it and the root, whose signature covers them all through the digests.
 * Objects are compact JSON: two levels of 64 indented ones would take 95 KB for one change of 50,000.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { recordOf } from '#contract/collection.ts';
import { digest } from '#contract/combined-pem.ts';
import { parseDocument, sortedByName, VERSION } from '#contract/document.ts';
import { ContractError } from '#contract/errors.ts';
import {
  type CertificateName,
  certificateName,
  type FleetName,
  layout,
  sha256Hex,
} from '#contract/layout.ts';
import { type ManifestEntry, manifestEntry, type Tombstone, tombstone } from '#contract/manifest.ts';

/** Children of a node. */
export const FAN_OUT = 64;
const BITS = 6;
/** Of a tree. Two have room for 130,000 certificates; the digest of a name would do for 42. */
export const MAX_LEVELS = 8;
/** Of a tree: more would not fit into the memory of a host. */
export const MAX_SHARDED = 200_000;
/** Certificates of a leaf; what a writer makes has 32 at most. */
const MAX_IN_LEAF = 1000;

/** Digests of `FAN_OUT` nodes; `null` where there is no certificate. */
export type ShardDigests = readonly (string | null)[];
export const shardDigests = z.array(sha256Hex.nullable()).length(FAN_OUT);

export interface InnerShard {
  shards: ShardDigests;
}

export interface LeafShard {
  certificates: Record<CertificateName, ManifestEntry>;
  tombstones: Record<CertificateName, Tombstone>;
}

export type Shard = InnerShard | LeafShard;

/** Either `shards`, or the two others. */
const shardDocument = z.looseObject({
  version: z.literal(VERSION),
  shards: shardDigests.optional(),
  certificates: recordOf(certificateName, manifestEntry, MAX_IN_LEAF).optional(),
  tombstones: recordOf(certificateName, tombstone, MAX_IN_LEAF).optional(),
});

export const NO_SHARDS: ShardDigests = Array<null>(FAN_OUT).fill(null);

/** Where a node is: the slot of each level above it. The root has the empty path. */
export type ShardPath = readonly number[];

/** @param level 0: among the digests of the root */
export function slotOf(name: CertificateName, level: number): number {
  const bytes = createHash('sha256').update(name).digest();
  const bit = level * BITS;
  const twoBytes = bytes.readUInt16BE(Math.floor(bit / 8));
  return (twoBytes >> (16 - BITS - (bit % 8))) & (FAN_OUT - 1);
}

/** @returns the bytes of a node and the digest that makes its key; equal content gives equal bytes */
export function serializeShard(shard: Shard): { sha256: string; text: string } {
  const document = isInner(shard)
    ? { version: VERSION, ...shard }
    : {
        version: VERSION,
        ...shard,
        certificates: sortedByName(shard.certificates),
        tombstones: sortedByName(shard.tombstones),
      };
  const text = `${JSON.stringify(document)}\n`;
  return { sha256: digest(text), text };
}

export function isInner(shard: Shard): shard is InnerShard {
  return 'shards' in shard;
}

/**
 * Checks that the bytes are those of the digest, their form, and that each certificate is where its name belongs.
 * @param body undefined: there is no such object
 * @throws ContractError `ERR_MANIFEST_SHARD`, `ERR_MANIFEST_SCHEMA`, `ERR_MANIFEST_VERSION`
 */
export function parseShard(
  fleet: FleetName,
  sha256: string,
  path: ShardPath,
  body: Buffer | undefined,
): Shard {
  const key = layout.shard(fleet, sha256);
  if (body === undefined) throw new ContractError('ERR_MANIFEST_SHARD', key, 'is missing');
  if (digest(body) !== sha256) {
    throw new ContractError('ERR_MANIFEST_SHARD', key, 'its content is not that of its digest');
  }
  const codes = { schema: 'ERR_MANIFEST_SCHEMA', version: 'ERR_MANIFEST_VERSION' } as const;
  const { shards, certificates, tombstones, ...rest } = parseDocument(shardDocument, codes, key, body);
  const parts = [shards, certificates, tombstones].map((part) => part !== undefined).join();
  if (parts !== 'true,false,false' && parts !== 'false,true,true') {
    throw new ContractError(
      'ERR_MANIFEST_SCHEMA',
      key,
      'wanted either shards or certificates and tombstones',
    );
  }
  if (shards !== undefined) return { ...rest, shards };
  const leaf = { ...rest, certificates, tombstones } as LeafShard;
  for (const name of namesIn(leaf)) {
    if (path.every((slot, level) => slotOf(name, level) === slot)) continue;
    throw new ContractError('ERR_MANIFEST_SCHEMA', key, `${name} does not belong into this shard`);
  }
  return leaf;
}

/** Those with a certificate, a tombstone, or both. */
export function namesIn({ certificates, tombstones }: LeafShard): CertificateName[] {
  return [...new Set([...Object.keys(certificates), ...Object.keys(tombstones)])] as CertificateName[];
}
