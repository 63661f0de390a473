/** The OCSP request for one certificate (RFC 6960 §4.1), without a nonce: the CA may answer from its cache. */
import { createHash, type X509Certificate } from 'node:crypto';
import { childrenOf, type Element, elementsOf, encode, TAG } from '#common/der.ts';

/** SHA-1 (1.3.14.3.2.26) with NULL: no secret depends on it, and HAProxy finds a staple only by this form. */
const SHA1 = Buffer.from('300906052b0e03021a0500', 'hex');

/** URL of the OCSP responder that the leaf names (RFC 5280 §4.2.2.1); `undefined`: none. */
export function ocspUrlOf(leaf: X509Certificate): string | undefined {
  return /^OCSP - URI:(https?:\/\/[^\s"]+)$/m.exec(leaf.infoAccess ?? '')?.[1];
}

/** The CertID, which names a certificate by its issuer and serial (§4.1.1). */
export function ocspCertIdOf(leaf: X509Certificate, issuer: X509Certificate): Buffer {
  const { subject } = fieldsOf(issuer);
  const key = elementsOf(issuer.publicKey.export({ type: 'spki', format: 'der' }))[0];
  // The bit string's first octet counts unused bits and is not hashed.
  const keyBits = childrenOf(key)[1]?.content.subarray(1) ?? Buffer.alloc(0);
  const [nameHash, keyHash] = [subject.raw, keyBits].map((bytes) =>
    encode(TAG.octetString, createHash('sha1').update(bytes).digest()),
  ) as [Buffer, Buffer];
  return encode(TAG.sequence, SHA1, nameHash, keyHash, fieldsOf(leaf).serial.raw);
}

/** OCSPRequest { TBSRequest { requestList { Request { CertID } } } } */
export function requestFor(leaf: X509Certificate, issuer: X509Certificate): Buffer {
  const nest = (inner: Buffer) => encode(TAG.sequence, inner);
  return nest(nest(nest(nest(ocspCertIdOf(leaf, issuer)))));
}

/** RFC 5280 §4.1: TBSCertificate { [version], serial, signature, issuer, validity, subject, … } */
function fieldsOf(certificate: X509Certificate): { serial: Element; subject: Element } {
  const fields = childrenOf(childrenOf(elementsOf(certificate.raw)[0])[0]);
  const [serial, , , , subject] = fields[0]?.tag === TAG.integer ? fields : fields.slice(1);
  if (serial === undefined || subject === undefined) throw new TypeError('a certificate without its fields');
  return { serial, subject };
}
