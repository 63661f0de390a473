/** Account keys of other clients, in the one form that ours have. */
import { createHash, createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { keyTypeOf } from '#contract/combined-pem.ts';

/** A key that cannot be taken over; the message never quotes it. */
export class UnusableKey extends Error {
  override name = 'UnusableKey';
}

/** @param text a JSON Web Key (RFC 7517), as certbot has it @returns PKCS#8 PEM @throws UnusableKey */
export function keyFromJwk(text: string): string {
  return exported(() => createPrivateKey({ key: JSON.parse(text) as JsonWebKey, format: 'jwk' }));
}

/** @param text PEM of whatever kind, as acme.sh has it @returns PKCS#8 PEM @throws UnusableKey */
export function keyFromPem(text: string): string {
  return exported(() => createPrivateKey(text));
}

/** Kinds of keys by which ACME requests are signed here. */
const SIGNING = /^(ec256|ec384|ec521|rsa\d+)$/;

function exported(read: () => KeyObject): string {
  let key: KeyObject;
  try {
    key = read();
  } catch {
    // OpenSSL's words may describe what is in the key.
    throw new UnusableKey('is no private key that can be read');
  }
  const type = keyTypeOf(key);
  if (!SIGNING.test(type))
    throw new UnusableKey(`is a key of type ${type}, which signs no ACME request here`);
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** RFC 7638, base64url: what HAProxy's line for stateless challenges has. */
export function keyThumbprint(key: string): string {
  const { crv, e, kty, n, x, y } = createPublicKey(key).export({ format: 'jwk' });
  // In the order of the names, without the members that are not there.
  return createHash('sha256').update(JSON.stringify({ crv, e, kty, n, x, y })).digest('base64url');
}
