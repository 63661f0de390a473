/** The OCSP request for one certificate (RFC 6960 §4.1), without a nonce: the CA may answer from its cache. */
import { createHash, type X509Certificate } from 'node:crypto';
import { CertID, OCSPRequest, Request, TBSRequest } from '@peculiar/asn1-ocsp';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier, Certificate } from '@peculiar/asn1-x509';
import { childrenOf, elementsOf, TAG } from '#common/der.ts';

/** SHA-1 with NULL: no secret depends on it, and HAProxy finds a staple only by this form. */
const SHA1 = new AlgorithmIdentifier({ algorithm: '1.3.14.3.2.26', parameters: null });

/** URL of the OCSP responder that the leaf names (RFC 5280 §4.2.2.1); `undefined`: none. */
export function ocspUrlOf(leaf: X509Certificate): string | undefined {
  return /^OCSP - URI:(https?:\/\/[^\s"]+)$/m.exec(leaf.infoAccess ?? '')?.[1];
}

/** The CertID, which names a certificate by its issuer and serial (§4.1.1). */
export function ocspCertIdOf(leaf: X509Certificate, issuer: X509Certificate): CertID {
  return new CertID({
    hashAlgorithm: SHA1,
    issuerNameHash: sha1(subjectOf(issuer)),
    issuerKeyHash: sha1(Buffer.from(fieldsOf(issuer).subjectPublicKeyInfo.subjectPublicKey)),
    serialNumber: fieldsOf(leaf).serialNumber,
  });
}

export function requestFor(leaf: X509Certificate, issuer: X509Certificate): Buffer {
  const requestList = [new Request({ reqCert: ocspCertIdOf(leaf, issuer) })];
  return Buffer.from(AsnConvert.serialize(new OCSPRequest({ tbsRequest: new TBSRequest({ requestList }) })));
}

function fieldsOf({ raw }: X509Certificate): Certificate['tbsCertificate'] {
  return AsnConvert.parse(raw, Certificate).tbsCertificate;
}

/** As it was signed: the hash is over these bytes, and a name can be written in several ways. */
function subjectOf({ raw }: X509Certificate): Buffer {
  const fields = childrenOf(childrenOf(elementsOf(raw)[0])[0]);
  // TBSCertificate { [version], serial, signature, issuer, validity, subject, … } (RFC 5280 §4.1)
  const [, , , , subject] = fields[0]?.tag === TAG.integer ? fields : fields.slice(1);
  if (subject === undefined) throw new TypeError('a certificate without its subject');
  return subject.raw;
}

function sha1(bytes: Buffer): OctetString {
  return new OctetString(createHash('sha1').update(bytes).digest());
}
