/**
 * The suggested windows of all published certificates (RFC 9773), by certID: the CA is asked when its Retry-After is
 * over, its answer is kept between passes, with a time that is picked once inside each window.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { isWaitingUntil } from '#common/clock.ts';
import { inParallel } from '#common/in-parallel.ts';
import { digest } from '#contract/combined-pem.ts';
import { messageOf } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { acmeOriginOf, type ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant, readCached, serializeCached } from '#storage/cached-document.ts';
import { MAX_RENEWAL_POLL_MS, type RenewalInfo } from '../acme/renewal-info.ts';
import type { Log } from '../log.ts';
import type { Pass } from '../pass.ts';

/** When the CA wants one certificate renewed. */
export interface RenewalWindow {
  start: Date;
  end: Date;
  /** Picked once inside the window. */
  renewAt: Date;
}

const storedWindow = z.object({
  start: instant,
  end: instant,
  renewAt: instant,
  pollAfter: instant,
  explanationUrl: z.string().optional(),
});
const windowDocument = z.object({ version: z.literal(1), windows: z.record(z.string(), storedWindow) });

type StoredWindow = z.infer<typeof storedWindow>;

/** The windows of the published certificates, as fresh as their CA wants them. Asking may fail: the old answer holds then. */
export async function refreshWindows(
  pass: Pass,
  published: readonly { name: string; entry: ManifestEntry }[],
): Promise<ReadonlyMap<string, RenewalWindow>> {
  const { bucket, config, log, options } = pass;
  const items = published.flatMap(({ name, entry }) => {
    const origin = acmeOriginOf(entry);
    if (origin === undefined) return [];
    return entry.pems.flatMap(({ certId }) =>
      certId === undefined ? [] : [{ name, certId, directoryUrl: origin.directoryUrl }],
    );
  });
  // A document that cannot be read starts over: the CA can be asked for all of it again.
  const stored = await readCached(bucket, layout.renewalInfo, windowDocument);
  const old = stored.value?.windows ?? {};
  const answers = await inParallel(
    items,
    config.concurrency,
    (item) => refresh(pass, item, old[item.certId]),
    ({ certId }) => certId,
  );
  logFailures(log, answers);
  const fresh = Object.fromEntries(
    answers.flatMap(({ certId, window }) => (window === undefined ? [] : [[certId, window]])),
  );
  // A pass over all certificates drops the windows of those that are gone.
  const windows = options.only === undefined ? fresh : { ...old, ...fresh };
  const body = serializeCached({ version: 1, windows });
  const isEmpty = stored.sha256 === undefined && Object.keys(windows).length === 0;
  // The last writer asked last: a lost update costs one question to the CA.
  const isKnown = digest(body) === stored.sha256;
  if (!options.dryRun && !isKnown && !isEmpty) await bucket.put(layout.renewalInfo, body);
  return new Map(Object.entries(fresh));
}

/** As the last pass has left them: no CA is asked. @throws BucketError */
export async function readStoredWindows(bucket: Bucket): Promise<ReadonlyMap<string, RenewalWindow>> {
  const { value } = await readCached(bucket, layout.renewalInfo, windowDocument);
  return new Map(Object.entries(value?.windows ?? {}));
}

interface Item {
  name: string;
  certId: string;
  directoryUrl: string;
}

interface Answer extends Item {
  window: StoredWindow | undefined;
  /** Why the CA could not be asked. */
  failure?: string;
}

/** A dry run asks no CA: it decides by the windows that the last pass has left. */
async function refresh(pass: Pass, item: Item, old: StoredWindow | undefined): Promise<Answer> {
  const isFresh = old !== undefined && isWaitingUntil(old.pollAfter, pass.timing.now(), MAX_RENEWAL_POLL_MS);
  if (pass.options.dryRun || isFresh) return { ...item, window: old };
  try {
    // Undefined for a CA that has no renewal information, or is not configured any more.
    const info = await pass.cas.get(item.directoryUrl)?.renewalInfo(item.certId);
    if (info === undefined) return { ...item, window: undefined };
    const window = toStored(item.certId, info, old);
    if (!isSameWindow(old, window)) logChange(pass.log, item.name, window);
    return { ...item, window };
  } catch (error) {
    return { ...item, window: old, failure: messageOf(error) };
  }
}

/** One line, however many certificates: when the CA is down, all of them fail alike. */
function logFailures(log: Log, answers: readonly Answer[]): void {
  const failures = answers.flatMap(({ failure }) => failure ?? []);
  const [error] = failures;
  if (error !== undefined) log('renewal-info.failed', { certificates: failures.length, error });
}

function toStored(certId: string, info: RenewalInfo, old: StoredWindow | undefined): StoredWindow {
  const { start, end } = info.suggestedWindow;
  const renewAt = isSameWindow(old, info.suggestedWindow) ? old.renewAt : pickTime(certId, start, end);
  const { pollAfter, explanationUrl } = info;
  return { start, end, renewAt, pollAfter, explanationUrl };
}

/** §4.2: uniform in the window, and the same for every pass that picks: two must not renew at two times. */
export function pickTime(certId: string, start: Date, end: Date): Date {
  const digest = createHash('sha256')
    .update(`${certId} ${start.toISOString()} ${end.toISOString()}`)
    .digest();
  const share = digest.readUInt32BE(0) / 2 ** 32;
  return new Date(Math.floor(start.getTime() + share * (end.getTime() - start.getTime())));
}

/** The operator should learn of a changed window, above all with an explanation (§4.2). */
function logChange(log: Log, certificate: string, { start, end, explanationUrl }: StoredWindow): void {
  const times = { start: start.toISOString(), end: end.toISOString() };
  log('renewal-info.changed', { certificate, ...times, explanationUrl });
}

function isSameWindow(
  old: StoredWindow | undefined,
  { start, end }: { start: Date; end: Date },
): old is StoredWindow {
  return old?.start.getTime() === start.getTime() && old.end.getTime() === end.getTime();
}
