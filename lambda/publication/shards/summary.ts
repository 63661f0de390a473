/**
 * The issuer's summary of a sharded manifest: what its shards say, in one object, so that a pass does not read thousands of them. It lists
 * shards by their digest, so it cannot be out of date: the root says which shards count, and a pass reads those that the summary does not
 * have. It leaves out receipts, which no decision needs: who changes a shard reads the shard itself.
 */
import { digest } from '#contract/combined-pem.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry, PemRef } from '#contract/manifest.ts';
import { isInner, type LeafShard, type Shard } from '#contract/shard/node.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readUnlessSpoilt } from '#storage/cached-document.ts';

/** In the place of a receipt: there is one, and the shard has it. */
export const RECEIPT_IN_SHARD = '';

/** Shards. A pass reads fewer than that one by one, each time until the summary has them. */
const MISSING_BEFORE_WRITE = 4;

/** Many certificates have one origin: entries have its index. */
interface SummaryDocument {
  origins: ManifestEntry['issued'][];
  shards: Record<string, Shard>;
}

/** By digest of the shard. Empty if there is none, or another version wrote it. @throws BucketError where the store is out of reach */
export async function readSummary(bucket: Bucket, fleet: FleetName): Promise<Map<string, Shard>> {
  const object = await readUnlessSpoilt(bucket, layout.summary(fleet));
  const document = object && openSealed(object.body);
  if (document === undefined) return new Map();
  const { origins, shards } = document;
  for (const shard of Object.values(shards)) {
    if (isInner(shard)) continue;
    for (const entry of Object.values(shard.certificates)) {
      entry.issued = origins[entry.issued as unknown as number] as ManifestEntry['issued'];
    }
  }
  return new Map(Object.entries(shards));
}

/**
 * Not after each change: a pass may read a few shards more, and the summary of a large fleet has megabytes.
 * @param shards all of the tree, as they were read or summarised
 * @param missing how many of them the stored summary does not have
 * @returns whether it was written
 * @throws BucketError
 */
export async function saveSummary(
  bucket: Bucket,
  fleet: FleetName,
  { shards, missing }: { shards: ReadonlyMap<string, Shard>; missing: number },
): Promise<boolean> {
  if (missing < MISSING_BEFORE_WRITE) return false;
  const origins = new Map<string, number>();
  const packed = [...shards].map(([sha256, shard]) => [sha256, packShard(shard, origins)]);
  const document = {
    origins: [...origins.keys()].map((origin) => JSON.parse(origin)),
    shards: Object.fromEntries(packed),
  };
  await bucket.put(layout.summary(fleet), sealed(JSON.stringify(document)));
  return true;
}

/** A shard without what a summary leaves out. */
export function summaryOf(shard: Shard): Shard {
  if (isInner(shard)) return shard;
  const bare = Object.entries(shard.certificates).map(([name, { previous, ...entry }]) => {
    const before = previous && { ...previous, pems: previous.pems.map(withoutReceipt) };
    return [name, { ...entry, pems: entry.pems.map(withoutReceipt), ...(before && { previous: before }) }];
  });
  return { certificates: Object.fromEntries(bare), tombstones: shard.tombstones };
}

function withoutReceipt(pem: PemRef): PemRef {
  return pem.receipt === undefined ? pem : { ...pem, receipt: RECEIPT_IN_SHARD };
}

function packShard(shard: Shard, origins: Map<string, number>): object {
  if (isInner(shard)) return { shards: shard.shards };
  const { certificates, tombstones } = summaryOf(shard) as LeafShard;
  const packed = Object.entries(certificates).map(([name, entry]) => {
    const origin = JSON.stringify(entry.issued);
    const index = origins.get(origin) ?? origins.size;
    origins.set(origin, index);
    return [name, { ...entry, issued: index }];
  });
  return { certificates: Object.fromEntries(packed), tombstones };
}

/** The first line is a seal: the version that wrote it, and a digest. Checking 50,000 entries by a schema would take seconds. */
function sealed(text: string): string {
  return `${sealOf(text)}\n${text}\n`;
}

function sealOf(text: string | Buffer): string {
  return JSON.stringify({ version: 1, by: PEMFLEET_VERSION, sha256: digest(text) });
}

function openSealed(body: Buffer): SummaryDocument | undefined {
  const end = body.indexOf('\n');
  const text = body.subarray(end + 1, -1);
  if (body.toString('latin1', 0, Math.max(end, 0)) !== sealOf(text)) return undefined;
  return JSON.parse(text.toString('utf8')) as SummaryDocument;
}
