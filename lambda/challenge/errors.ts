/** Failures of DNS-01 that are the operator's to mend: each names the record, and what is in the way. */

export type DnsErrorCode = 'ERR_DNS_ZONE' | 'ERR_DNS_LOOKUP' | 'ERR_DNS_DENIED' | 'ERR_DNS_CHANGE';

export class DnsFailed extends Error {
  override name = 'DnsFailed';
  readonly code: DnsErrorCode;
  constructor(code: DnsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
