/** The certification request of finalize (RFC 8555 §7.4; PKCS#10, RFC 2986): node:crypto signs, but cannot write it. */
import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { bitString, encode, objectId, sequence, TAG } from '#common/der.ts';

const OID = {
  ecdsaWithSha256: '2a8648ce3d040302',
  ecdsaWithSha384: '2a8648ce3d040303',
  sha256WithRsa: '2a864886f70d01010b',
  extensionRequest: '2a864886f70d01090e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
} as const;

const NULL = Buffer.of(5, 0);
const VERSION = encode(TAG.integer, Buffer.of(0));
const NO_SUBJECT = sequence();
/** digitalSignature and keyEncipherment (RFC 5280 §4.2.1.3); five bits of the byte are unused. */
const KEY_USAGE = encode(TAG.bitString, Buffer.of(5, 0b1010_0000));

/**
 * The names are in the subjectAltName alone: a common name is what the CA makes of them.
 * @param names DNS names as A-labels, and IP addresses
 * @param key private: RSA, P-256 or P-384
 * @returns DER
 */
export function certificationRequest(names: readonly string[], key: KeyObject): Buffer {
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const info = sequence(VERSION, NO_SUBJECT, publicKey, encode(0xa0, extensionRequest(names)));
  const { hash, algorithm } = signatureOf(key);
  return sequence(info, algorithm, bitString(sign(hash, info, key)));
}

function extensionRequest(names: readonly string[]): Buffer {
  const altNames = sequence(...names.map(generalName));
  const extensions = [extension(OID.keyUsage, KEY_USAGE), extension(OID.subjectAltName, altNames)];
  return sequence(objectId(OID.extensionRequest), encode(TAG.set, sequence(...extensions)));
}

function extension(oid: string, value: Buffer): Buffer {
  return sequence(objectId(oid), encode(TAG.octetString, value));
}

/** dNSName or iPAddress (RFC 5280 §4.2.1.6). */
function generalName(name: string): Buffer {
  return isIP(name) === 0
    ? encode(0x82, Buffer.from(name, 'ascii'))
    : encode(0x87, Buffer.from(ipaddr.parse(name).toByteArray()));
}

/** RFC 5758 §3.2, RFC 4055 §5. */
function signatureOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject) {
  if (asymmetricKeyType === 'rsa') {
    return { hash: 'sha256', algorithm: sequence(objectId(OID.sha256WithRsa), NULL) };
  }
  return asymmetricKeyDetails?.namedCurve === 'secp384r1'
    ? { hash: 'sha384', algorithm: sequence(objectId(OID.ecdsaWithSha384)) }
    : { hash: 'sha256', algorithm: sequence(objectId(OID.ecdsaWithSha256)) };
}
