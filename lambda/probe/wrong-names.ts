/**
 * Names at which clients get something else, from one scheduled probe to the next: where the time does not suffice for all, a name that was
 * not asked for, or of which nothing could be known, stands as it stood.
 */
import * as z from 'zod';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant, readCached, serializeCached } from '#storage/cached-document.ts';
import { meaningOf } from './judge.ts';
import type { ProbeRow } from './probe.ts';

/** By name: since when. */
export type WrongNames = Readonly<Record<string, Date>>;

const document = z.object({ version: z.literal(1), names: z.record(z.string(), instant) });

/** @returns none where there is no document, or none that can be read. @throws BucketError */
export async function readWrongNames(bucket: Bucket): Promise<WrongNames> {
  return (await readCached(bucket, layout.wrongNames, document)).value?.names ?? {};
}

/** Writes nothing where nothing differs. @throws BucketError */
export async function saveWrongNames(bucket: Bucket, names: WrongNames, stored: WrongNames): Promise<void> {
  const [text, before] = [names, stored].map((some) => serializeCached({ version: 1, names: some }));
  if (text !== undefined && text !== before) await bucket.put(layout.wrongNames, text);
}

/**
 * @param rows of this probe
 * @param names all that are to be asked for: of others nobody wants to know any more
 */
export function nextWrongNames(
  before: WrongNames,
  rows: readonly Pick<ProbeRow, 'name' | 'verdict'>[],
  names: Iterable<string>,
  now: Date,
): WrongNames {
  const meanings = new Map<string, Set<ReturnType<typeof meaningOf>>>();
  for (const row of rows) meanings.set(row.name, (meanings.get(row.name) ?? new Set()).add(meaningOf(row)));
  const next = [...new Set(names)].sort().flatMap((name) => {
    const said = meanings.get(name);
    const isWrong =
      said?.has('wrong') === true || (before[name] !== undefined && said?.has('unknown') !== false);
    return isWrong ? [[name, before[name] ?? now] as const] : [];
  });
  return Object.fromEntries(next);
}
