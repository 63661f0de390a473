/** What a million hostile requests to the responder's Function URL cost, by the list prices of prices.ts and by counts that tests make. */
import { PRICES } from './prices.ts';

/** Of one request, as test/unit/lambda/responder-secret.test.ts counts them. */
export const HOSTILE_COUNTS = {
  /** Each with another token: the responder's memory answers none of them. */
  open: { s3Get: 1 },
  closed: { s3Get: 0 },
} as const;

/** Assumed, because no test runs on Lambda: an answer from S3, and one without any request, as Lambda bills them. */
const BILLED_SECONDS = { open: 0.03, closed: 0.002 } as const;
const MEMORY_GB = 0.25;
const MILLION = 1e6;

/** @returns US dollars, rounded to cents */
export function hostileCost(url: 'open' | 'closed'): number {
  const compute = BILLED_SECONDS[url] * MEMORY_GB * PRICES.lambdaGbSecond;
  const each = PRICES.lambdaRequest + compute + HOSTILE_COUNTS[url].s3Get * PRICES.s3Get;
  return Math.round(each * MILLION * 100) / 100;
}
