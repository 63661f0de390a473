/** Polling by RFC 8555 §7.5.1: Retry-After is obeyed; without it the intervals grow. */
import { AcmeDeadline } from './problem.ts';
import { parseRetryAfter } from './retry-after.ts';
import type { AcmeResponse } from './transport.ts';

export interface Timing {
  now: () => Date;
  sleep: (ms: number) => Promise<void>;
  /** No wait goes beyond it. */
  deadline: Date;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;

/** @throws AcmeDeadline if the next look would come after the deadline */
export async function pollUntil<T>(
  what: string,
  read: () => Promise<AcmeResponse>,
  done: (data: T) => boolean,
  timing: Timing,
): Promise<T> {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 1.6, LONGEST_WAIT_MS)) {
    const response = await read();
    const data = response.data as T;
    if (done(data)) return data;
    const now = timing.now();
    const retryAfter = parseRetryAfter(response.headers['retry-after'], now);
    const next = new Date(Math.max(retryAfter?.getTime() ?? 0, now.getTime() + wait));
    if (next >= timing.deadline)
      throw new AcmeDeadline(`${what} is not done yet; the next pass goes on`, retryAfter);
    await timing.sleep(next.getTime() - now.getTime());
  }
}
