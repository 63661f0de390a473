/** Reads what a page shows: the whole status, the windows that the last pass has left, the end of the audit trail. */
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readUnlessSpoilt } from '#storage/cached-document.ts';
import { type AuditLine, parseLine } from '../audit/line.ts';
import { readStoredWindows } from '../pass/renewal-windows.ts';
import { readWholeStatus, type StatusRequest } from '../status/whole-status.ts';
import { type PageFleet, pageFleetOf } from './facts.ts';
import type { PageFacts } from './page.ts';

/** Lines of the trail: a page shows the last ones, and the command has all. */
const MAX_LINES = 400;

/** What cannot be read is a line of the status, as there. */
export async function readPage(request: StatusRequest): Promise<PageFacts> {
  const { bucket, now } = request;
  const windows = await orNothing(readStoredWindows(bucket), new Map());
  const fleets: PageFleet[] = [];
  const status = await readWholeStatus({
    ...request,
    onFleet: (read) => fleets.push(pageFleetOf(read, { windows, now: now() })),
  });
  return { status, fleets, history: await orNothing(readLastLines(bucket), []) };
}

/** Of the trail's last objects; whether anybody has changed it, `pemfleet audit --verify` says. */
async function readLastLines(bucket: Bucket): Promise<AuditLine[]> {
  const keys = (await bucket.list(layout.auditTrail)).filter((key) => key !== layout.auditHead);
  const lines: AuditLine[] = [];
  for (const key of keys.slice(-2)) {
    const text = (await readUnlessSpoilt(bucket, key))?.body.toString('utf8') ?? '';
    const last = text.trimEnd().split('\n').slice(-MAX_LINES);
    lines.push(...last.flatMap((line) => parseLine(line) ?? []));
  }
  return lines.slice(-MAX_LINES);
}

/** The status says already that the store fails. */
async function orNothing<T>(read: Promise<T>, nothing: T): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof BucketError) return nothing;
    throw error;
  }
}
