/** Who may sign an OCSP response (RFC 6960 §4.2.2.2): the certificate's issuer, or a delegate whose certificate from it has OCSPSigning. */
import { createHash, verify, X509Certificate } from 'node:crypto';
import { id_kp_OCSPSigning, type ResponderID } from '@peculiar/asn1-ocsp';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate } from '@peculiar/asn1-x509';
import { OcspRejected } from './errors.ts';
import type { Basic } from './parse.ts';
import type { OcspQuestion } from './question.ts';

/** Accepted signature algorithms (RFC 8017, RFC 5758), the keys that they belong to, and their digests: not SHA-1. */
const ALGORITHMS = new Map([
  ['1.2.840.113549.1.1.11', { keyType: 'rsa', digest: 'sha256' }],
  ['1.2.840.113549.1.1.12', { keyType: 'rsa', digest: 'sha384' }],
  ['1.2.840.113549.1.1.13', { keyType: 'rsa', digest: 'sha512' }],
  ['1.2.840.10045.4.3.2', { keyType: 'ec', digest: 'sha256' }],
  ['1.2.840.10045.4.3.3', { keyType: 'ec', digest: 'sha384' }],
  ['1.2.840.10045.4.3.4', { keyType: 'ec', digest: 'sha512' }],
]);

/** @throws OcspRejected */
export function checkSignature(basic: Basic, { issuer, now }: OcspQuestion): void {
  const algorithm = ALGORITHMS.get(basic.algorithm.algorithm);
  // RSA's parameters are NULL (RFC 8017 §A.2), ECDSA's absent (RFC 5758 §3.2); the library has both as null.
  const parameters = basic.algorithm.parameters ?? null;
  if (algorithm === undefined || (parameters !== null && !isNull(parameters))) {
    throw new OcspRejected('signature algorithm not accepted');
  }
  const signer = signerOf(basic, issuer);
  if (!signer.raw.equals(issuer.raw) && !isDelegate(signer, issuer, now)) throw notSigned();
  const { publicKey } = signer;
  const isSigned =
    publicKey.asymmetricKeyType === algorithm.keyType &&
    verify(algorithm.digest, basic.signed, publicKey, basic.signature);
  if (!isSigned) throw notSigned();
}

function notSigned(): OcspRejected {
  return new OcspRejected('signature not by the issuer or its delegate');
}

function isNull(der: ArrayBuffer): boolean {
  return Buffer.from(der).equals(Buffer.of(5, 0));
}

/** The certificate that the responder names as its own: one that it has sent along, else the issuer's. */
function signerOf({ certificates, data }: Basic, issuer: X509Certificate): X509Certificate {
  const signer = [...certificates, issuer.raw].map(parsed).find((one) => isNamed(one, data.responderID));
  if (signer === undefined) throw notSigned();
  return signer.certificate;
}

interface Parsed {
  certificate: X509Certificate;
  fields: Certificate['tbsCertificate'];
}

function parsed(der: Buffer): Parsed {
  try {
    const { tbsCertificate } = AsnConvert.parse(der, Certificate);
    return { certificate: new X509Certificate(der), fields: tbsCertificate };
  } catch (error) {
    throw new OcspRejected("responder's certificate cannot be parsed", { cause: error });
  }
}

/** §4.2.2.3: by its subject, or by the SHA-1 of its public key. */
function isNamed({ fields }: Parsed, { byKey, byName }: ResponderID): boolean {
  if (byName !== undefined) return derOf(byName).equals(derOf(fields.subject));
  const key = Buffer.from(fields.subjectPublicKeyInfo.subjectPublicKey);
  const hash = createHash('sha1').update(key).digest();
  return byKey !== undefined && hash.equals(Buffer.from(byKey.buffer));
}

function derOf(name: object): Buffer {
  return Buffer.from(AsnConvert.serialize(name));
}

function isDelegate(delegate: X509Certificate, issuer: X509Certificate, now: Date): boolean {
  const isValid = now >= new Date(delegate.validFrom) && now < new Date(delegate.validTo);
  if (!isValid || !delegate.keyUsage?.includes(id_kp_OCSPSigning)) return false;
  return delegate.checkIssued(issuer) && delegate.verify(issuer.publicKey);
}
