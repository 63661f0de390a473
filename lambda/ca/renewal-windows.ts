/**
 * The book of suggested windows (RFC 9773), one entry for each certID: asked for when the CA's Retry-After is over,
 * kept between passes, with a time that is picked once inside each window.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { inParallel } from '#common/in-parallel.ts';
import { messageOf } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant, readCached, serializeCached } from '#storage/cached-document.ts';
import type { RenewalInfo } from '../acme/renewal-info.ts';
import type { Log } from '../log.ts';

/** What the CA wishes for one certificate, by its certID. */
export interface RenewalWindow {
  start: Date;
  end: Date;
  /** Picked once inside the window. */
  renewAt: Date;
}

const known = z.object({
  start: instant,
  end: instant,
  renewAt: instant,
  pollAfter: instant,
  explanationUrl: z.string().optional(),
});
const book = z.object({ version: z.literal(1), windows: z.record(z.string(), known) });

export type StoredWindow = z.infer<typeof known>;

export interface WindowDeps {
  bucket: Bucket;
  now: () => Date;
  log: Log;
  /** @returns undefined where the certificate's CA has no renewal information; absent: nobody is asked */
  ask: ((directoryUrl: string, certId: string) => Promise<RenewalInfo | undefined>) | undefined;
  concurrency: number;
}

/**
 * The windows of the published certificates, as fresh as the CA wishes. Asking may fail: the old answer holds then.
 * @param isWhole these are all certificates there are: windows of others are out of date and dropped
 */
export async function refreshWindows(
  deps: WindowDeps,
  published: readonly { name: string; entry: ManifestEntry }[],
  isWhole: boolean,
): Promise<ReadonlyMap<string, RenewalWindow>> {
  const items = published.flatMap(({ name, entry }) =>
    entry.pems.flatMap(({ certId }) =>
      certId === undefined ? [] : [{ name, certId, directoryUrl: entry.issued.directoryUrl }],
    ),
  );
  // An unreadable book is begun anew: everything in it can be asked for again.
  const stored = await readCached(deps.bucket, layout.renewalInfo, book);
  const old = stored.value?.windows ?? {};
  const answers = await inParallel(
    items,
    deps.concurrency,
    (item) => refresh(deps, item, old[item.certId]),
    ({ certId }) => certId,
  );
  tellFailures(deps.log, answers);
  const fresh = Object.fromEntries(
    answers.flatMap(({ certId, window }) => (window === undefined ? [] : [[certId, window]])),
  );
  const windows = isWhole ? fresh : { ...old, ...fresh };
  const body = serializeCached({ version: 1, windows });
  const isEmpty = stored.text === undefined && Object.keys(windows).length === 0;
  // Whoever writes last has asked last: a lost update costs one question to the CA.
  if (deps.ask !== undefined && body !== stored.text && !isEmpty)
    await deps.bucket.put(layout.renewalInfo, body);
  return new Map(Object.entries(fresh));
}

interface Item {
  name: string;
  certId: string;
  directoryUrl: string;
}

interface Answer extends Item {
  window: StoredWindow | undefined;
  error?: unknown;
}

async function refresh(deps: WindowDeps, item: Item, old: StoredWindow | undefined): Promise<Answer> {
  if (deps.ask === undefined || (old !== undefined && old.pollAfter > deps.now()))
    return { ...item, window: old };
  try {
    const info = await deps.ask(item.directoryUrl, item.certId);
    return { ...item, window: info && tell(deps.log, item.name, toKnown(item.certId, info, old), old) };
  } catch (error) {
    return { ...item, window: old, error };
  }
}

/** One line, however many certificates: when the CA is down, all of them fail alike. */
function tellFailures(log: Log, answers: readonly Answer[]): void {
  const failed = answers.filter(({ error }) => error !== undefined);
  if (failed.length > 0)
    log('renewal-info.failed', { certificates: failed.length, error: messageOf(failed[0]?.error) });
}

function toKnown(certId: string, info: RenewalInfo, old: StoredWindow | undefined): StoredWindow {
  const { start, end } = info.suggestedWindow;
  const renewAt = isSameWindow(old, info.suggestedWindow) ? old.renewAt : pickTime(certId, start, end);
  const { pollAfter, explanationUrl } = info;
  return { start, end, renewAt, pollAfter, ...(explanationUrl !== undefined && { explanationUrl }) };
}

/** §4.2: uniform in the window, and the same for every pass that picks: two must not renew at two times. */
export function pickTime(certId: string, start: Date, end: Date): Date {
  const digest = createHash('sha256')
    .update(`${certId} ${start.toISOString()} ${end.toISOString()}`)
    .digest();
  const share = digest.readUInt32BE(0) / 2 ** 32;
  return new Date(Math.floor(start.getTime() + share * (end.getTime() - start.getTime())));
}

/** A changed window is news for the operator, above all with an explanation (§4.2). */
function tell(log: Log, name: string, window: StoredWindow, old: StoredWindow | undefined): StoredWindow {
  if (!isSameWindow(old, window)) {
    const [start, end] = [window.start.toISOString(), window.end.toISOString()];
    log('renewal-info.changed', { certificate: name, start, end, explanationUrl: window.explanationUrl });
  }
  return window;
}

function isSameWindow(
  old: StoredWindow | undefined,
  { start, end }: { start: Date; end: Date },
): old is StoredWindow {
  return old?.start.getTime() === start.getTime() && old.end.getTime() === end.getTime();
}
