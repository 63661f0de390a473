/** As much of DER (X.690 §8.1, §10) as OCSP, certIDs, CSRs and a placeholder certificate need: elements out of bytes, bytes out of elements. */

export const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

export interface Element {
  tag: number;
  content: Buffer;
  /** Tag and length included. */
  raw: Buffer;
}

/** The elements that follow each other in `buffer`. @throws MalformedDer if one reaches beyond its end */
export function elementsOf(buffer: Buffer): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < buffer.length; ) {
    const short = buffer[at + 1] ?? 0;
    const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
    if (lengthBytes > 3 || short === 0x80 || at + 2 + lengthBytes > buffer.length) {
      throw new MalformedDer('not the expected DER');
    }
    const length = lengthBytes === 0 ? short : buffer.readUIntBE(at + 2, lengthBytes);
    const [start, end] = [at + 2 + lengthBytes, at + 2 + lengthBytes + length];
    if (end > buffer.length) throw new MalformedDer('not the expected DER');
    elements.push({
      tag: buffer[at] ?? 0,
      content: buffer.subarray(start, end),
      raw: buffer.subarray(at, end),
    });
    at = end;
  }
  return elements;
}

/**
 * The elements inside of `element`.
 * @param tag that `element` must have
 * @throws MalformedDer
 */
export function childrenOf(element: Element | undefined, tag?: number): Element[] {
  if (element === undefined || (tag !== undefined && element.tag !== tag)) {
    throw new MalformedDer('not the expected DER');
  }
  return elementsOf(element.content);
}

/** One element with this tag that holds `parts`; up to 65,535 bytes. */
export function encode(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...(length < 0x80 ? [length] : long)]), content]);
}

export const sequence = (...parts: Buffer[]) => encode(TAG.sequence, ...parts);

/** @param hex content of the object identifier, in hexadecimal */
export const objectId = (hex: string) => encode(TAG.oid, Buffer.from(hex, 'hex'));

/** Of whole bytes. */
export const bitString = (content: Buffer) => encode(TAG.bitString, Buffer.of(0), content);

/** The bytes are no DER, or not of the expected shape. */
export class MalformedDer extends Error {
  override name = 'MalformedDer';
}
