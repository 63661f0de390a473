/** Failures of DNS-01 that the operator can fix: each names the record, or the permission, and what is in the way. */
import { dnsFaultText, isUnreached, nameServerAdvice } from '#common/net/dns-fault.ts';

export type DnsErrorCode =
  | 'ERR_DNS_ZONE'
  | 'ERR_DNS_LOOKUP'
  | 'ERR_DNS_DENIED'
  | 'ERR_DNS_CHANGE'
  | 'ERR_DNS_RECORD';

export class DnsFailed extends Error {
  override name = 'DnsFailed';
  readonly code: DnsErrorCode;
  constructor(code: DnsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A question that nobody has answered. @param record its type @param cause of `node:dns` */
export function unanswered(record: 'CNAME' | 'TXT', name: string, cause: NodeJS.ErrnoException): DnsFailed {
  const { code = 'unknown' } = cause;
  const asked = 'do its name servers answer, and may this machine ask them (dns.resolvers)?';
  const advice = isUnreached(code) ? nameServerAdvice('dns.resolvers') : asked;
  const message = `no answer for the ${record} at ${name}: ${dnsFaultText(code)}; ${advice}`;
  return new DnsFailed('ERR_DNS_LOOKUP', message, { cause });
}
