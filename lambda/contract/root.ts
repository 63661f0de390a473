/**
 * The root: version 2 of the manifest, signed. Its last member is the issuer's statement about it, the head: lineage, fleet, sequence,
 * time, and the SHA-256 of all bytes before. The head is small and stands alone: a host repeats it in its status, and so tells what it has
 * seen without being believed for it.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { recordOf } from './collection.ts';
import { checkDocument, dateTime, parseDocument, serializeDocument, sortedByName } from './document.ts';
import { ContractError } from './errors.ts';
import type { JsonBounds } from './json.ts';
import {
  type CertificateName,
  certificateName,
  type FleetName,
  fleetName,
  layout,
  sha256Hex,
} from './layout.ts';
import { MAX_CERTIFICATES, type Manifest, manifestEntry, type Tombstone, tombstone } from './manifest.ts';
import { sequenceNumber } from './receipt.ts';
import { type ShardDigests, shardDigests } from './shard/node.ts';
import { type PublicKey, readStatement, type Signer, type Statement } from './statement.ts';

/** Required of a reader: the certificates are in a tree of shards (shard/node.ts). */
const SHARDS = 'shards';

/** What a root may require of its reader. A reader that does not know a word keeps what it serves, and says so. */
export const KNOWN_REQUIREMENTS: readonly string[] = [SHARDS];

const lineageText = z.string().min(1).max(64);

const headClaims = z.looseObject({
  lineage: lineageText,
  fleet: fleetName,
  sequence: sequenceNumber,
  signedAt: dateTime,
  /** Of the root without its last member. */
  sha256: sha256Hex,
});
export type HeadClaims = z.infer<typeof headClaims>;

const rootDocument = z.looseObject({
  version: z.literal(2),
  fleet: fleetName,
  /** Of the issuer, for ever: the same in all of its fleets and after each change of its key. */
  lineage: lineageText,
  /** Only grows: max(last + 1, time in ms), so that it also grows after everything is lost. */
  sequence: sequenceNumber,
  /** When it was signed: renewed twice a day, so that a reader knows how old what it sees is. */
  signedAt: dateTime,
  /** When certificates or tombstones last changed. */
  updatedAt: dateTime,
  requires: z.array(z.string().max(64)).max(100),
  /**
   * So long do private keys of superseded certificates stay, in whole days. Absent: an earlier issuer, or a command, has made it, and hosts
   * delete none of them by age.
   */
  keyRetentionDays: z.number().int().min(1).max(9999).optional(),
  /** Absent, as the next one is, where `shards` is there. */
  certificates: recordOf(certificateName, manifestEntry, MAX_CERTIFICATES).optional(),
  /** By certificate. An entry of the same name may stand beside it: the tombstone ends the digests that it names, and no others. */
  tombstones: recordOf(certificateName, tombstone, MAX_CERTIFICATES).optional(),
  /** Where both are, if they are many. */
  shards: shardDigests.optional(),
});

/** A manifest of version 2, all members there. */
export interface SignedManifest extends Manifest {
  version: 2;
  lineage: string;
  sequence: number;
  signedAt: string;
  requires: string[];
  tombstones: Record<CertificateName, Tombstone>;
}

export interface ReadRoot {
  manifest: SignedManifest;
  /** The head, as it stands in the root: a compact JWS. */
  head: string;
  /** Who signed it. Whether that key is trusted is the reader's decision. */
  key: PublicKey;
}

/** As it is read: the certificates and tombstones of `manifest` are still in the shards, if there are any. */
export interface RootParts extends ReadRoot {
  shards: ShardDigests | undefined;
}

/** The last member, as serializeDocument() would write it, and what follows it. */
const SIGNATURE = ',\n  "signature": "';
const END = '"\n}\n';
const BODY_END = '\n}\n';

/**
 * @param shards the tree that holds the certificates and tombstones of `manifest`: the root has its digests in their place
 * @returns the bytes of the root, and its head
 */
export function serializeRoot(
  manifest: SignedManifest,
  signer: Signer,
  shards?: ShardDigests,
): { text: string; head: string } {
  const {
    version,
    fleet,
    lineage,
    sequence,
    signedAt,
    updatedAt,
    requires: required,
    certificates,
    tombstones,
    ...rest
  } = manifest;
  const others = required.filter((word) => word !== SHARDS);
  const requires = shards === undefined ? others : [...others, SHARDS];
  const content = shards === undefined ? inline(certificates, tombstones) : { shards };
  const body = serializeDocument({
    ...{ version, fleet, lineage, sequence, signedAt, updatedAt, requires },
    ...rest,
    ...content,
  });
  const claims: HeadClaims = { lineage, fleet, sequence, signedAt, sha256: sha256(body) };
  const head = signer.sign('manifest', claims);
  return { text: `${body.slice(0, -BODY_END.length)}${SIGNATURE}${head}${END}`, head };
}

function inline(certificates: SignedManifest['certificates'], tombstones: SignedManifest['tombstones']) {
  return { certificates: sortedByName(certificates), tombstones: sortedByName(tombstones) };
}

/** What was said about the bytes. */
export interface SignedBytes extends Statement<HeadClaims> {
  /** The head, as it stands in the root: a compact JWS. */
  head: string;
}

/**
 * Checks signature and digest, and reads nothing else: of a root that this program cannot read, it tells who signed it.
 * @throws ContractError `ERR_MANIFEST_SIGNATURE`
 */
export function verifyRoot(fleet: FleetName, bytes: Buffer): SignedBytes {
  const key = layout.root(fleet);
  const at = bytes.lastIndexOf(SIGNATURE);
  const end = bytes.length - END.length;
  if (at === -1 || bytes.subarray(end).toString() !== END) {
    throw new ContractError('ERR_MANIFEST_SIGNATURE', key, 'wanted a signature as the last member, saw none');
  }
  const head = bytes.subarray(at + SIGNATURE.length, end).toString();
  const statement = readHead(head, key);
  // In parts: a copy of 32 MiB would be half of an agent's memory.
  if (statement.claims.sha256 !== sha256(bytes.subarray(0, at), BODY_END)) {
    throw new ContractError('ERR_MANIFEST_SIGNATURE', key, 'its content is not what was signed');
  }
  return { ...statement, head };
}

/**
 * Checks signature, digest and form; not whether the key is trusted, nor whether the sequence is higher than another.
 * @throws ContractError `ERR_MANIFEST_SIGNATURE`, `ERR_MANIFEST_SCHEMA` (also for the root of another fleet), `ERR_MANIFEST_VERSION`,
 * `ERR_MANIFEST_REQUIRES`
 */
export function parseRootParts(fleet: FleetName, bytes: Buffer, bounds?: Partial<JsonBounds>): RootParts {
  return parseVerifiedRoot(fleet, bytes, verifyRoot(fleet, bytes), bounds);
}

/**
 * As `parseRootParts`, for whoever has asked already who signed it.
 * @param signed what `verifyRoot` says of these bytes
 */
export function parseVerifiedRoot(
  fleet: FleetName,
  bytes: Buffer,
  { head, claims, key: signedBy }: SignedBytes,
  bounds?: Partial<JsonBounds>,
): RootParts {
  const key = layout.root(fleet);
  const codes = {
    schema: 'ERR_MANIFEST_SCHEMA',
    version: 'ERR_MANIFEST_VERSION',
    wanted: 2,
    bounds,
  } as const;
  // Before the rest: what is required may make the rest unreadable.
  const { signature: _, ...json } = parseDocument(requirements, codes, key, bytes);
  refuseUnknownRequirements(key, json.requires);
  const { shards, ...document } = checkDocument(rootDocument, codes, key, json);
  checkContent(key, { ...document, shards });
  const content = shards === undefined ? {} : { certificates: {}, tombstones: {} };
  const manifest = { ...document, ...content } as SignedManifest;
  const isSame = (['lineage', 'fleet', 'sequence', 'signedAt'] as const).every(
    (member) => manifest[member] === claims[member],
  );
  if (!isSame)
    throw new ContractError('ERR_MANIFEST_SIGNATURE', key, 'its head says other things than its content');
  if (manifest.fleet !== fleet) {
    throw new ContractError('ERR_MANIFEST_SCHEMA', key, `wanted fleet ${fleet}, saw ${manifest.fleet}`);
  }
  return { manifest, head, key: signedBy, shards };
}

/** Shards, which the reader has to know, or certificates and tombstones. @throws ContractError `ERR_MANIFEST_SCHEMA` */
function checkContent(
  key: string,
  { requires, certificates, tombstones, shards }: z.infer<typeof rootDocument>,
): void {
  const has = [shards, certificates, tombstones].map((member) => member !== undefined).join();
  if (has === (requires.includes(SHARDS) ? 'true,false,false' : 'false,true,true')) return;
  const wanted = `wanted either certificates and tombstones, or shards and "${SHARDS}" in requires`;
  throw new ContractError('ERR_MANIFEST_SCHEMA', key, wanted);
}

/** @throws ContractError `ERR_MANIFEST_SIGNATURE` */
export function readHead(text: string, key: string): Statement<HeadClaims> {
  try {
    return readStatement('manifest', text, headClaims);
  } catch (error) {
    throw new ContractError('ERR_MANIFEST_SIGNATURE', key, (error as Error).message);
  }
}

function refuseUnknownRequirements(key: string, requires: readonly string[]): void {
  const unknown = requires.filter((word) => !KNOWN_REQUIREMENTS.includes(word));
  if (unknown.length === 0) return;
  throw unknownRequirements(key, unknown);
}

function unknownRequirements(key: string, words: readonly string[]): ContractError {
  const says = `requires ${words.join(', ')}, which this version does not know; upgrade this program`;
  return new ContractError('ERR_MANIFEST_REQUIRES', key, says);
}

const requirements = z.looseObject({ requires: z.array(z.string().max(64)).max(100) });

function sha256(...parts: (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}
