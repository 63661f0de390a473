/** What a pass tells CloudWatch: gathers what the figures are made of. */
import type { Bucket } from '#contract/bucket/bucket.ts';
import { type Figures, figuresOf } from './figures.ts';
import { refreshHostBook } from './host-book.ts';
import type { PassResult } from './issue.ts';

export async function measure(
  bucket: Bucket,
  { outcomes, manifests }: PassResult,
  notifyFailed: number,
  now: Date,
): Promise<Figures> {
  const notes = await refreshHostBook(bucket, [...manifests.keys()], now);
  const fleets = [...manifests].map(([fleet, read]) => ({
    notes: notes[fleet] ?? {},
    manifest: read && { etag: read.etag, updatedAt: new Date(read.manifest.updatedAt) },
  }));
  const configured = new Set<string>(outcomes.map(({ certificate }) => certificate));
  const lifetimes = [...manifests.values()]
    .flatMap((read) => Object.entries(read?.manifest.certificates ?? {}))
    .filter(([name]) => configured.has(name))
    .flatMap(([, { pems }]) => pems)
    .map(({ notBefore, notAfter }) => ({ notBefore: new Date(notBefore), notAfter: new Date(notAfter) }));
  return figuresOf(outcomes, lifetimes, fleets, notifyFailed, now);
}
