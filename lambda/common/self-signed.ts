/**
 * A self-signed certificate without a library: node:crypto signs, but cannot write X.509 (RFC 5280 §4.1), and
 * @peculiar/x509 would be half of the agent's size again for one placeholder.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { bitString, encode, objectId, sequence, TAG } from './der.ts';

const ECDSA_WITH_SHA256 = sequence(objectId('2a8648ce3d040302'));
const COMMON_NAME = objectId('550403');
const SUBJECT_ALT_NAME = objectId('551d11');

/** UTCTime: two digits of the year, which holds until 2049 (RFC 5280 §4.1.2.5.1). */
const utcTime = (date: Date) =>
  encode(TAG.utcTime, Buffer.from(`${date.toISOString().slice(2, 19).replaceAll(/[-:T]/g, '')}Z`));

/** Certificate and unencrypted P-256 key, as HAProxy loads them from one file. */
export function selfSigned(name: string, notBefore: Date, notAfter: Date): string {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = sequence(encode(TAG.set, sequence(COMMON_NAME, encode(TAG.utf8String, Buffer.from(name)))));
  const serial = randomBytes(16);
  // positive, and without a leading zero byte
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const names = encode(TAG.octetString, sequence(encode(0x82, Buffer.from(name))));
  const toBeSigned = sequence(
    encode(0xa0, encode(TAG.integer, Buffer.from([2]))),
    encode(TAG.integer, serial),
    ECDSA_WITH_SHA256,
    subject,
    sequence(utcTime(notBefore), utcTime(notAfter)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    encode(0xa3, sequence(sequence(SUBJECT_ALT_NAME, names))),
  );
  const der = sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(sign('sha256', toBeSigned, privateKey)));
  const base64 = der.toString('base64').match(/.{1,64}/g) ?? [];
  const certificate = ['-----BEGIN CERTIFICATE-----', ...base64, '-----END CERTIFICATE-----', ''].join('\n');
  return certificate + String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
}
