// What a client asks the CA for, known by Pebble's paths.

/** RFC 8555 §7.1 and RFC 9773 §4; `order` and `account` by their own URLs, `orders` the account's list. */
export type Resource =
  | 'directory'
  | 'newNonce'
  | 'newAccount'
  | 'newOrder'
  | 'account'
  | 'order'
  | 'orders'
  | 'authorization'
  | 'challenge'
  | 'finalize'
  | 'certificate'
  | 'revokeCert'
  | 'keyChange'
  | 'renewalInfo'
  | 'other';

const resources: readonly (readonly [prefix: string, Resource])[] = [
  ['/dir', 'directory'],
  ['/nonce-plz', 'newNonce'],
  ['/sign-me-up', 'newAccount'],
  ['/order-plz', 'newOrder'],
  ['/my-account/', 'account'],
  ['/my-order/', 'order'],
  ['/list-orderz/', 'orders'],
  ['/authZ/', 'authorization'],
  ['/chalZ/', 'challenge'],
  ['/finalize-order/', 'finalize'],
  ['/certZ/', 'certificate'],
  ['/revoke-cert', 'revokeCert'],
  ['/rollover-account-key', 'keyChange'],
  ['/draft-ietf-acme-ari-03/renewalInfo', 'renewalInfo'],
];

export const resourceOf = (path: string): Resource =>
  resources.find(([prefix]) => path.startsWith(prefix))?.[1] ?? 'other';

/** Of a JWS (RFC 8555 §6.2), unchecked: that is the CA's part. */
export function payloadOf(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  const { payload } = JSON.parse(body.toString()) as { payload: string };
  return payload === '' ? undefined : JSON.parse(Buffer.from(payload, 'base64url').toString());
}
