/** Renewal information (ARI, RFC 9773 §4): the window in which the CA wants a certificate to be renewed. */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import type { Directory } from './directory.ts';
import { AcmeProblem, NoAcmeAnswer } from './problem.ts';
import { parseRetryAfter } from './retry-after.ts';
import type { Transport } from './transport.ts';

/** The RenewalInfo object (§4.2) and the time of its next poll. */
export interface RenewalInfo {
  /** Between these the CA recommends to renew; `end` is after `start`. */
  suggestedWindow: { start: Date; end: Date };
  /** Page that explains to an operator why the window is what it is; the RFC's `explanationURL`. */
  explanationUrl?: string | undefined;
  /** Not in the RFC's object: no poll before this, by the answer's Retry-After (§4.3). */
  pollAfter: Date;
}

/** Limits of the server's Retry-After, and the interval without one (§4.3.2). */
const [MIN_POLL_MS, DEFAULT_POLL_MS] = [MINUTE_MS, 6 * HOUR_MS];
/** No answer is good for longer. */
export const MAX_RENEWAL_POLL_MS = DAY_MS;

/**
 * @param certId see `certIdOf` (§4.1)
 * @returns undefined if the CA offers no renewal information
 * @throws AcmeProblem, NoAcmeAnswer
 */
export async function getRenewalInfo(
  exchange: Transport,
  directory: Directory,
  certId: string,
  now: Date,
): Promise<RenewalInfo | undefined> {
  if (directory.renewalInfo === undefined) return undefined;
  const url = `${directory.renewalInfo.replace(/\/$/, '')}/${certId}`;
  const response = await exchange('GET', url);
  const retryAfter = parseRetryAfter(response.headers['retry-after'], now);
  if (response.status !== 200) {
    throw new AcmeProblem(
      { type: 'about:blank', detail: `renewal information answered HTTP ${response.status}` },
      response.status,
      retryAfter,
    );
  }
  const { suggestedWindow, explanationURL } = (response.data ?? {}) as Partial<Record<string, unknown>>;
  const { start, end } = (suggestedWindow ?? {}) as { start?: string; end?: string };
  const window = { start: new Date(start ?? Number.NaN), end: new Date(end ?? Number.NaN) };
  // §4.2: a client treats a window that ends before it starts as if there were none.
  if (!(window.end > window.start)) {
    throw new NoAcmeAnswer(`${url}: no window with a start before its end`);
  }
  const wait = (retryAfter?.getTime() ?? now.getTime() + DEFAULT_POLL_MS) - now.getTime();
  const pollAfter = new Date(now.getTime() + Math.min(Math.max(wait, MIN_POLL_MS), MAX_RENEWAL_POLL_MS));
  const isLink = typeof explanationURL === 'string' && URL.canParse(explanationURL);
  return { suggestedWindow: window, pollAfter, explanationUrl: isLink ? explanationURL : undefined };
}
