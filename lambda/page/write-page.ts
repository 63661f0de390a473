/** `statusPage: true`: the page as one object of the bucket, which a signed link or IAM opens to people. It is never public. */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { startDeadline } from '#common/deadline.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { instant, readCached, serializeCached } from '#storage/cached-document.ts';
import type { Pass } from '../pass.ts';
import { type PageFacts, renderPage } from './page.ts';
import { readPage } from './read-page.ts';

/** An older page says that it is old: one that says the same is written again before. */
const KEPT_MS = HOUR_MS;
const GRACE_MS = 2 * MINUTE_MS;
/** However late the pass is. */
const MIN_MS = 10 * SECOND_MS;

const pageRecord = z.object({ version: z.literal(1), digest: z.string().max(64), writtenAt: instant });

/** After a pass, if the page has changed or is an hour old. What fails is logged: the page says itself how old it is. */
export async function writeStatusPage({
  bucket,
  config,
  timing,
  log,
}: Pick<Pass, 'bucket' | 'config' | 'timing' | 'log'>): Promise<void> {
  if (!config.statusPage) return;
  const now = timing.now();
  const deadline = startDeadline(Math.max(MIN_MS, timing.deadline.getTime() - now.getTime()));
  try {
    const request = { bucket, config, graceMs: GRACE_MS, now: timing.now };
    const bytes = await deadline.wait(async () => writeIfNew(bucket, await readPage(request), now));
    if (bytes !== undefined) log('status-page.written', { bytes });
  } catch (error) {
    log('status-page.failed', { code: codeOf(error), error: messageOf(error) });
  } finally {
    deadline.clear();
  }
}

/** @returns undefined: the page in the bucket says the same */
async function writeIfNew(bucket: Bucket, facts: PageFacts, now: Date): Promise<number | undefined> {
  const digest = digestOf(facts);
  const { value: last } = await readCached(bucket, layout.statusPageRecord, pageRecord);
  const ageMs = last === undefined ? Number.POSITIVE_INFINITY : now.getTime() - last.writtenAt.getTime();
  if (last?.digest === digest && ageMs >= 0 && ageMs < KEPT_MS) return undefined;
  const page = renderPage(facts);
  await bucket.put(layout.statusPage, page);
  await bucket.put(
    layout.statusPageRecord,
    serializeCached({ version: 1, digest, writtenAt: now.toISOString() }),
  );
  return Buffer.byteLength(page);
}

/** Of what the page says, without the moment at which it says so. */
function digestOf({ status: { level, lines }, fleets, history }: PageFacts): string {
  const said = JSON.stringify([level, lines, fleets, history.at(-1)?.sequence]);
  return createHash('sha256').update(said).digest('hex');
}
