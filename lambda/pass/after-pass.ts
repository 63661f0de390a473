/** The end of a pass: the hosts are told what is new, what they have said is read, and it all becomes figures. */
import type { Bucket } from '#storage/bucket.ts';
import { type HostBook, readHostBook, refreshNotes, saveHostBook } from '../fleet/hosts.ts';
import { type Figures, figuresOf } from '../fleet/metrics.ts';
import { tellFleets } from '../fleet/notify.ts';
import type { Notifier } from '../fleet/run-command.ts';
import type { Log } from '../log.ts';
import type { PassResult } from '../outcome.ts';

export interface AfterPass {
  bucket: Bucket;
  /** Without one, hosts are left to their polls. */
  notifier: Notifier | undefined;
  log: Log;
  now: Date;
}

export async function afterPass(after: AfterPass, result: PassResult): Promise<Figures> {
  const { bucket, notifier, log, now } = after;
  const known = await readHostBook(bucket);
  const { calls, failed } = notifier
    ? await tellFleets({ notifier, log, now }, known.calls, result)
    : { calls: known.calls, failed: 0 };
  const noted = { ...known, calls };
  try {
    noted.fleets = await refreshNotes(bucket, known.fleets, [...result.manifests.keys()], now);
  } finally {
    // Whoever was called was called, whether the statuses can be read or not.
    await saveHostBook(bucket, noted, known);
  }
  return measure(result, noted.fleets, failed, now);
}

function measure(
  { outcomes, manifests }: PassResult,
  notes: HostBook['fleets'],
  notifyFailed: number,
  now: Date,
): Figures {
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
