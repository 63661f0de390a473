// The framing by which the SDKs send a body whose checksum follows it: STREAMING-UNSIGNED-PAYLOAD-TRAILER.
import { AwsFailure } from './wire.ts';

export interface Unframed {
  body: Buffer;
  trailers: Record<string, string>;
}

const lineEnd = Buffer.from('\r\n');

/** @param decodedLength what x-amz-decoded-content-length promised */
export function decodeAwsChunked(framed: Buffer, decodedLength: number): Unframed {
  const chunks: Buffer[] = [];
  let at = 0;
  const readLine = () => {
    const end = framed.indexOf(lineEnd, at);
    if (end < 0) throw incomplete();
    const line = framed.toString('latin1', at, end);
    at = end + lineEnd.length;
    return line;
  };
  for (let size = readSize(readLine()); size > 0; size = readSize(readLine())) {
    chunks.push(framed.subarray(at, at + size));
    at += size;
    if (readLine() !== '') throw incomplete();
  }
  const trailers: Record<string, string> = {};
  for (let line = readLine(); line !== ''; line = readLine()) {
    const [name = '', value = ''] = line.split(/:\s*(.*)/);
    trailers[name.toLowerCase()] = value;
  }
  const body = Buffer.concat(chunks);
  if (body.length !== decodedLength) throw incomplete();
  return { body, trailers };
}

function readSize(line: string): number {
  if (!/^[0-9a-f]+$/i.test(line)) throw incomplete();
  return Number.parseInt(line, 16);
}

const incomplete = () => new AwsFailure(400, 'IncompleteBody', 'The request body terminated unexpectedly');
