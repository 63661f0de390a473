// Thousands of certificates in seconds: one key and one form for all of them; serial, name and signature differ.
import { randomBytes, sign } from 'node:crypto';
import type { Pki } from './parts/pki.ts';

/** A name of this form has always the same length. */
export const stampedName = (index: number) => `c${String(index).padStart(5, '0')}.test`;

const templateSerial = '5e1fc0de5e1fc0de';

/** @returns a combined PEM for `stampedName(index)`, with a serial that nobody had before */
export async function stamper(pki: Pki): Promise<(index: number) => string> {
  const name = stampedName(99_999);
  const { leafPem, chainPem, keyPem } = await pki.issue({ names: [name], serial: templateSerial });
  const [tbs, algorithm] = children(Buffer.from(leafPem.replace(/-----[^-]+-----|\s/g, ''), 'base64'));
  if (tbs === undefined || algorithm === undefined) throw new TypeError('no certificate');
  const [serialAt, nameAt] = [tbs.indexOf(templateSerial, 0, 'hex'), tbs.indexOf(name)];
  return (index) => {
    const own = Buffer.from(tbs);
    // positive, without a leading zero octet
    own.write(`5${randomBytes(8).toString('hex').slice(1)}`, serialAt, 'hex');
    own.write(stampedName(index), nameAt);
    const signature = der(0x03, Buffer.from([0]), sign('sha256', own, pki.intermediateKeyPem));
    const body = der(0x30, own, algorithm, signature).toString('base64');
    const leaf = `-----BEGIN CERTIFICATE-----\n${body.replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`;
    return leaf + chainPem.join('') + keyPem;
  };
}

/** The elements of a DER sequence. */
function children(sequence: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = headerOf(sequence).start; at < sequence.length; ) {
    const { start, length } = headerOf(sequence.subarray(at));
    found.push(sequence.subarray(at, at + start + length));
    at += start + length;
  }
  return found;
}

function headerOf(element: Buffer): { start: number; length: number } {
  const first = element[1] ?? 0;
  if (first < 0x80) return { start: 2, length: first };
  const octets = first & 0x7f;
  return { start: 2 + octets, length: element.readUIntBE(2, octets) };
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), body]);
  const octets = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...octets]), body]);
}
