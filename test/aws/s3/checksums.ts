// Checksums of an upload: each that is given is verified, one is kept with the object.
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Crc32cNode, Crc64Nvme } from '@aws-sdk/checksums/crc';
import { AwsFailure, type AwsRequest } from '../wire.ts';

const hashed = (algorithm: string) => async (body: Buffer) => createHash(algorithm).update(body).digest();

async function summed(
  make: () => { update(data: Uint8Array): void; digest(): Promise<Uint8Array> },
  body: Buffer,
) {
  const sum = make();
  sum.update(body);
  return Buffer.from(await sum.digest());
}

function crc32Of(body: Buffer): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return sum;
}

/** The one that the SDK would have sent. */
export const usualChecksum = (body: Buffer) =>
  ['x-amz-checksum-crc32', crc32Of(body).toString('base64')] as const;

const algorithms: Record<string, (body: Buffer) => Promise<Buffer>> = {
  'x-amz-checksum-crc32': async (body) => crc32Of(body),
  'x-amz-checksum-crc32c': (body) => summed(() => new Crc32cNode(), body),
  'x-amz-checksum-crc64nvme': (body) => summed(() => new Crc64Nvme(), body),
  'x-amz-checksum-sha1': hashed('sha1'),
  'x-amz-checksum-sha256': hashed('sha256'),
};

/** @returns the checksum that is kept: the one that was given, else S3's own */
export async function verifyChecksums(request: AwsRequest): Promise<readonly [string, string]> {
  const given = { ...request.headers, ...request.trailers };
  const md5 = given['content-md5'];
  if (md5 !== undefined && md5 !== createHash('md5').update(request.body).digest('base64')) {
    throw badDigest('The Content-MD5 you specified did not match what we received.');
  }
  const promised = [given['x-amz-trailer'], checksumHeaderOf(given)].filter((name) => name !== undefined);
  const missing = promised.find((name) => !(name in given));
  if (missing !== undefined) {
    throw new AwsFailure(
      400,
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    );
  }
  const names = Object.keys(algorithms).filter((name) => name in given);
  if (names.length > 1) {
    throw new AwsFailure(400, 'InvalidRequest', 'Expecting a single x-amz-checksum- header.');
  }
  const name = names[0] ?? 'x-amz-checksum-crc64nvme';
  const value = (await algorithms[name]?.(request.body))?.toString('base64') ?? '';
  if (names.length === 1 && given[name] !== value) {
    throw badDigest(
      `The ${name.slice('x-amz-checksum-'.length).toUpperCase()} you specified did not match the calculated checksum.`,
    );
  }
  return [name, value];
}

function checksumHeaderOf(given: Record<string, string>): string | undefined {
  const algorithm = given['x-amz-sdk-checksum-algorithm'];
  return algorithm && `x-amz-checksum-${algorithm.toLowerCase()}`;
}

const badDigest = (message: string) => new AwsFailure(400, 'BadDigest', message);
