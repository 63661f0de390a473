/** What keeps a TLS client of this host from being shown anything at an address: it says nothing about the certificate. */

/** docs/bucket.md has the table. */
export type UnprovableReason =
  /** The address is another machine's, or nobody's. */
  | 'not-here'
  /** No TLS client can connect to such an address, or this user may not. */
  | 'not-askable'
  /** The bind demands a client certificate before it shows its own. */
  | 'client-certificate'
  /** The bind hands out certificates of the other kind of key only, or speaks no TLS that a client could. */
  | 'no-common-cipher'
  /** No client can ask for it by a name of its own. */
  | 'no-name';

export class Unprovable extends Error {
  override name = 'Unprovable';
  readonly reason: UnprovableReason;
  /** As `haproxy.handshake` names it. */
  readonly address: string;
  /** The message without the address. */
  readonly detail: string;

  constructor(reason: UnprovableReason, address: string, detail: string, options?: ErrorOptions) {
    super(`${address}: ${detail}`, options);
    this.reason = reason;
    this.address = address;
    this.detail = detail;
  }
}
