/**
 * Which shards may be missing or altered, as far as a listing says: those that it lacks, and those that were written after the root that
 * names them, which no issuer does. Of a small tree, a pass lists all; of a large one, beside which lie the shards of a month, a part.
 */
import { HOUR_MS } from '#common/time.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import type { Bucket, ListedSize } from '#storage/bucket.ts';

const PAGE_KEYS = 1000;
/** Beside the first. */
const FURTHER_PAGES = 2;
/** Multiples of it, modulo 1, spread evenly, however many there are (the golden ratio). */
const SPREAD = 0.618_033_988_75;

/** Keys behind `from`, up to `to`; undefined: up to the end. */
interface Range {
  from: string;
  to: string | undefined;
}

/** @param digests of the tree. @throws BucketError */
export async function doubtfulShards(
  bucket: Bucket,
  fleet: FleetName,
  digests: readonly string[],
  now: Date,
): Promise<string[]> {
  const listed = new Map<string, ListedSize>();
  const ranges: Range[] = [];
  const list = async (from: string) => {
    const page = await bucket.listAfter(layout.published(fleet), from, PAGE_KEYS);
    for (const one of page) listed.set(one.key, one);
    const to = page.length < PAGE_KEYS ? undefined : page.at(-1)?.key;
    ranges.push({ from, to });
    return to;
  };
  // The root sorts right before the shards.
  let to = await list(layout.root(fleet).slice(0, -1));
  const isWhole = to === undefined;
  for (let page = 0; page < FURTHER_PAGES && !isWhole; page += 1) {
    to = await list(page === 0 ? placeAt(fleet, now) : (to ?? layout.shard(fleet, '0')));
  }
  const root = listed.get(layout.root(fleet));
  const isCovered = (key: string) => ranges.some((range) => key > range.from && key <= (range.to ?? key));
  return digests.filter((sha256) => {
    const key = layout.shard(fleet, sha256);
    const one = listed.get(key);
    if (one === undefined) return isCovered(key);
    return root !== undefined && one.modifiedAt > root.modifiedAt;
  });
}

/** Another place each half hour. */
function placeAt(fleet: FleetName, now: Date): string {
  const step = Math.floor(now.getTime() / (HOUR_MS / 2));
  const place = Math.floor(((step * SPREAD) % 1) * 2 ** 32);
  return layout.shard(fleet, place.toString(16).padStart(8, '0'));
}
