// Certificates by the ten thousand: one that was issued properly, with another serial number and name, signed anew.
// All have one key. Making each from the ground up would take longer than what is measured with them.

import { createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import type { IssuedLeaf, Pki } from '../support/parts/pki.ts';

/** The highest bit must not be set: it would be a negative number. */
const SERIAL = `70${'5a'.repeat(15)}`;
/** AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758 §3.2). */
const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex');

/** @param template a name as long as all that will be asked for */
export async function openPress(pki: Pki, template: string): Promise<(name: string) => IssuedLeaf> {
  const made = await pki.issue({ names: [template], serial: SERIAL });
  const key = createPrivateKey(pki.intermediateKeyPem);
  const signed = tbsOf(new X509Certificate(made.leafPem).raw);
  return (name) => {
    if (name.length !== template.length) throw new TypeError(`${name} is not as long as ${template}`);
    const tbs = Buffer.from(signed);
    tbs.write(`70${randomBytes(15).toString('hex')}`, tbs.indexOf(SERIAL, 'hex'), 'hex');
    tbs.write(name, tbs.indexOf(template), 'latin1');
    const signature = element(0x03, Buffer.concat([Buffer.of(0), sign('sha256', tbs, key)]));
    const der = element(0x30, Buffer.concat([tbs, ECDSA_WITH_SHA256, signature]));
    const leafPem = new X509Certificate(der).toString();
    return { ...made, leafPem, combined: leafPem + made.chainPem.join('') + made.keyPem };
  };
}

/** TBSCertificate, the first element in a Certificate (RFC 5280 §4.1); both are longer than 255 bytes. */
function tbsOf(der: Buffer): Buffer {
  const begin = 4;
  return der.subarray(begin, begin + 4 + der.readUInt16BE(begin + 2));
}

function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...head), content]);
}
