/** What a function does when its figures are out: first the page, which is its own, then the receivers, which are not and may hang. */
import { SECOND_MS } from '#common/time.ts';

/** Left at the end of an invocation to save failures, notify hosts and flush logs. */
export const RESERVE_MS = 20 * SECOND_MS;
/** Of that, what receivers leave when a pass has used all its time: they have to keep what they have delivered. */
const LAST_MS = 5 * SECOND_MS;
/** What receivers have of the reserve: of passes that all use their time, nobody would hear otherwise. */
const MIN_RECEIVERS_MS = 5 * SECOND_MS;

/** @returns how long receivers may take, all together; 0: what waits is the next pass's */
export function receiversMs(remainingMs: number): number {
  const ofReserve = Math.min(MIN_RECEIVERS_MS, remainingMs - LAST_MS);
  return Math.max(0, ofReserve, remainingMs - RESERVE_MS);
}

interface LastSteps {
  remainingMs: () => number;
  /** Absent: as of a dry run. */
  page?: (() => Promise<void>) | undefined;
  /** Absent: there are none. */
  receivers?: ((withinMs: number) => Promise<void>) | undefined;
}

export async function endInvocation({ remainingMs, page, receivers }: LastSteps): Promise<void> {
  await page?.();
  const withinMs = receiversMs(remainingMs());
  if (withinMs > 0) await receivers?.(withinMs);
}
