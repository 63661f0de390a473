/** The certID, which names a certificate in renewal information and in `replaces` (RFC 9773 §4.1). */
import type { X509Certificate } from 'node:crypto';
import { childrenOf, type Element, elementsOf, MalformedDer, TAG } from '#common/der.ts';

/** [3] EXPLICIT Extensions (RFC 5280 §4.1), [0] KeyIdentifier (§4.2.1.1). */
const [EXTENSIONS, KEY_IDENTIFIER] = [0xa3, 0x80];
/** 2.5.29.35, RFC 5280 §4.2.1.1 */
const AUTHORITY_KEY_IDENTIFIER = '551d23';

/**
 * §4.1: base64url(authority key identifier) "." base64url(serial), both as DER content octets. The serial keeps
 * its leading zero, which Node's `serialNumber` drops: hence the walk through the DER.
 * @returns undefined if the certificate has no authority key identifier that can be read: it goes without `replaces`
 */
export function certIdOf(certificate: X509Certificate): string | undefined {
  const [tbs] = childrenOf(elementsOf(certificate.raw)[0]);
  const fields = childrenOf(tbs);
  const serial = fields.find(({ tag }) => tag === TAG.integer)?.content;
  const extensions = fields.find(({ tag }) => tag === EXTENSIONS);
  const authorityKey = extensions && authorityKeyIn(extensions);
  if (serial === undefined || authorityKey === undefined) return undefined;
  return `${authorityKey.toString('base64url')}.${serial.toString('base64url')}`;
}

function authorityKeyIn(extensions: Element): Buffer | undefined {
  try {
    return keyIdentifierIn(childrenOf(extensions)[0]);
  } catch (error) {
    if (error instanceof MalformedDer) return undefined;
    throw error;
  }
}

/** RFC 5280 §4.1: Extension { extnID, critical?, extnValue }; the value is an octet string that holds DER. */
function keyIdentifierIn(extensions: Element | undefined): Buffer | undefined {
  const parts = childrenOf(extensions).map((extension) => childrenOf(extension));
  const found = parts.find(([id]) => id?.content.toString('hex') === AUTHORITY_KEY_IDENTIFIER);
  const value = found?.find(({ tag }) => tag === TAG.octetString);
  const identifiers = value === undefined ? [] : childrenOf(elementsOf(value.content)[0]);
  return identifiers.find(({ tag }) => tag === KEY_IDENTIFIER)?.content;
}
