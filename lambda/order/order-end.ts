/** When an order is given up although its CA does not call it invalid. */
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import type { AcmeClient } from '../acme/client.ts';
import type { OrderLeg } from './leg.ts';

/** No CA needs so long to issue; then the next CA is asked, or the same one for a new order. */
const LONGEST_PROCESSING_MS = HOUR_MS;
/** In an emergency, where another CA is configured. */
const LONGEST_IN_EMERGENCY_MS = MINUTE_MS;

/** When the CA has to have issued. @param isHurried an emergency, and another CA is there */
export function processingEnd(since: Date, isHurried: boolean): Date {
  return new Date(since.getTime() + (isHurried ? LONGEST_IN_EMERGENCY_MS : LONGEST_PROCESSING_MS));
}

/**
 * RFC 8555 §7.1.3: after `expires` the CA takes an unfinished order for invalid, whether it says so or not. Both its times are by its own
 * clock; a time before the order was made is none.
 */
export function hasExpired(
  object: { status: string; expires?: string } | undefined,
  { client, leg }: { client: AcmeClient; leg: OrderLeg },
): boolean {
  if (object?.expires === undefined || object.status === 'valid' || object.status === 'invalid') return false;
  const expires = Date.parse(object.expires);
  return expires <= client.caNow().getTime() && expires > leg.record.createdAt.getTime();
}
