/** RFC 9773 §4.1: how a certificate is named in renewal information and in `replaces`. */
import type { X509Certificate } from 'node:crypto';

const TAG = {
  sequence: 0x30,
  integer: 0x02,
  octetString: 0x04,
  extensions: 0xa3,
  keyIdentifier: 0x80,
  oid: 0x06,
};
/** 2.5.29.35, RFC 5280 §4.2.1.1 */
const AUTHORITY_KEY_IDENTIFIER = '551d23';

/**
 * §4.1: base64url(authority key identifier) "." base64url(serial), both as DER content octets; the serial keeps
 * its leading zero, which Node's `serialNumber` drops, so the DER is walked.
 * @returns undefined if the certificate has no authority key identifier
 */
export function certIdOf(certificate: X509Certificate): string | undefined {
  const [tbs] = children(children(certificate.raw)[0]?.content ?? Buffer.alloc(0), true);
  const fields = tbs === undefined ? [] : children(tbs.content, true);
  const serial = fields.find((field) => field.tag === TAG.integer)?.content;
  const extensions = fields.find((field) => field.tag === TAG.extensions);
  const authorityKey = extensions && keyIdentifierOf(extensions.content);
  if (serial === undefined || authorityKey === undefined) return undefined;
  return `${authorityKey.toString('base64url')}.${serial.toString('base64url')}`;
}

function keyIdentifierOf(extensions: Buffer): Buffer | undefined {
  for (const extension of children(children(extensions)[0]?.content ?? Buffer.alloc(0), true)) {
    const parts = children(extension.content, true);
    if (parts[0]?.content.toString('hex') !== AUTHORITY_KEY_IDENTIFIER) continue;
    const value = parts.find((part) => part.tag === TAG.octetString)?.content;
    const sequence = value && children(value)[0];
    return (
      sequence && children(sequence.content, true).find((part) => part.tag === TAG.keyIdentifier)?.content
    );
  }
  return undefined;
}

/** DER elements of `buffer` (X.690 §8.1); only the first unless `all`. */
function children(buffer: Buffer, all = false): { tag: number; content: Buffer }[] {
  const elements: { tag: number; content: Buffer }[] = [];
  for (let at = 0; at + 2 <= buffer.length && (all || elements.length === 0); ) {
    const tag = buffer[at] ?? 0;
    const short = buffer[at + 1] ?? 0;
    const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
    const length = lengthBytes === 0 ? short : buffer.readUIntBE(at + 2, lengthBytes);
    const start = at + 2 + lengthBytes;
    elements.push({ tag, content: buffer.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}
