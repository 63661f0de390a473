/** Failures of DNS-01 that the operator can fix: each names the record, or the permission, and what is in the way. */

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
