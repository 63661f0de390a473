/** As much of DER (X.690) as OCSP needs: elements out of bytes, and bytes out of elements. */
import { OcspRejected } from './errors.ts';

export const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  enumerated: 0x0a,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

export interface Element {
  tag: number;
  content: Buffer;
  /** Tag and length included. */
  raw: Buffer;
}

/** The elements that follow each other in `buffer`. @throws OcspRejected if one reaches beyond its end */
export function elementsOf(buffer: Buffer): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < buffer.length; ) {
    const short = buffer[at + 1] ?? 0;
    const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
    if (lengthBytes > 3 || short === 0x80 || at + 2 + lengthBytes > buffer.length) throw malformed();
    const length = lengthBytes === 0 ? short : buffer.readUIntBE(at + 2, lengthBytes);
    const [start, end] = [at + 2 + lengthBytes, at + 2 + lengthBytes + length];
    if (end > buffer.length) throw malformed();
    elements.push({
      tag: buffer[at] ?? 0,
      content: buffer.subarray(start, end),
      raw: buffer.subarray(at, end),
    });
    at = end;
  }
  return elements;
}

/** What an element holds, of which the first must have this tag where one is given. */
export function childrenOf(element: Element | undefined, tag?: number): Element[] {
  if (element === undefined || (tag !== undefined && element.tag !== tag)) throw malformed();
  return elementsOf(element.content);
}

export function encode(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...(length < 0x80 ? [length] : long)]), content]);
}

function malformed(): OcspRejected {
  return new OcspRejected('not the DER of an OCSP response');
}
