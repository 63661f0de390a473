// Reading, writing and deleting one object.
import { type Answer, AwsFailure, type AwsRequest, type Session } from '../wire.ts';
import { verifyChecksums } from './checksums.ts';
import { type Condition, checkMatch, checkWrite, isNotModified, noSuchKey } from './conditions.ts';
import { encryptionHeaders, etagOf, keyCheck, readEncryption } from './encryption.ts';
import { type Bucket, currentOf, type ObjectVersion, type S3Store } from './store.ts';
import { checkTags } from './tags.ts';

/** What the operations on objects stand on. */
export interface S3Ground {
  store: S3Store;
  region: string;
  /** conditions of writes that are not honoured, for tests of clients that look for that */
  ignored: Set<Condition>;
}

export interface ObjectPlace {
  bucket: Bucket;
  key: string;
}

/** GetObject and HeadObject. */
export async function readObject(
  { region }: S3Ground,
  { bucket, key }: ObjectPlace,
  request: AwsRequest,
  session: Session,
): Promise<Answer> {
  const version = await findVersion({ bucket, key }, request.query['versionId'], session);
  const headers = objectHeaders(version, bucket, region);
  if (isNotModified(request.headers, version)) return { status: 304, headers, body: '' };
  const isAsked = request.headers['x-amz-checksum-mode'] === 'ENABLED';
  const decrypt = keyCheck('kms:Decrypt', { bucket, key, encryption: version.encryption }, region);
  // what HEAD tells is not encrypted, but for the checksum
  if (decrypt && (request.method === 'GET' || isAsked)) await session.require(decrypt);
  const range = readRange(request.headers['range'], version.body.length);
  if (range) {
    const [first, last] = range;
    const body = version.body.subarray(first, last + 1);
    const content = { 'content-range': `bytes ${first}-${last}/${version.body.length}` };
    return { status: 206, headers: { ...headers, ...content, 'content-length': `${body.length}` }, body };
  }
  const whole = { 'content-length': `${version.body.length}` };
  return {
    status: 200,
    headers: { ...headers, ...whole, ...(isAsked ? checksumHeaders(version) : {}) },
    body: version.body,
  };
}

async function findVersion(
  { bucket, key }: ObjectPlace,
  versionId: string | undefined,
  session: Session,
): Promise<ObjectVersion> {
  const versions = bucket.versions.get(key) ?? [];
  const version =
    versionId === undefined ? versions.at(-1) : versions.find((one) => one.versionId === versionId);
  if (version && !version.isDeleteMarker) return version;
  // who may not list does not learn what there is not; a prefix is not part of this question
  const { accountId: ownerId, policy: resourcePolicy } = bucket;
  const list = { action: 's3:ListBucket', resource: `arn:aws:s3:::${bucket.name}`, context: {} };
  await session.require({ ...list, ownerId, resourcePolicy });
  if (versionId !== undefined && !version) {
    throw new AwsFailure(404, 'NoSuchVersion', 'The specified version does not exist.');
  }
  if (versionId !== undefined) {
    throw new AwsFailure(
      405,
      'MethodNotAllowed',
      'The specified method is not allowed against this resource.',
    );
  }
  throw noSuchKey(key);
}

export async function putObject(
  { store, region, ignored }: S3Ground,
  { bucket, key }: ObjectPlace,
  request: AwsRequest,
  session: Session,
): Promise<Answer> {
  const checksum = await verifyChecksums(request);
  const encryption = readEncryption(request.headers, bucket, region);
  const generate = keyCheck('kms:GenerateDataKey', { bucket, key, encryption }, region);
  if (generate) await session.require(generate);
  // no await from here to the write: conditions are judged and met at one moment
  checkWrite(without(request.headers, ignored), currentOf(bucket, key));
  const { body } = request;
  const etag = etagOf(body, encryption);
  const headers = { ...keptHeaders(request.headers), ...checkTags(request.headers) };
  const version = store.write(bucket, key, { body, etag, headers, checksum, encryption });
  return {
    status: 200,
    headers: {
      ...{ etag, ...checksumHeaders(version), ...versionHeaders(version, bucket) },
      ...encryptionHeaders(encryption, bucket, region),
    },
    body: '',
  };
}

export function deleteObject(
  { store, ignored }: S3Ground,
  { bucket, key }: ObjectPlace,
  { headers, query }: AwsRequest,
): Answer {
  checkMatch(without(headers, ignored), currentOf(bucket, key));
  const gone = store.remove(bucket, key, query['versionId']);
  const marker: Record<string, string> = gone?.isDeleteMarker ? { 'x-amz-delete-marker': 'true' } : {};
  return { status: 204, headers: gone ? { ...marker, ...versionHeaders(gone, bucket) } : {}, body: '' };
}

function without(headers: Record<string, string>, names: Set<string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.has(name)));
}

function keptHeaders(headers: Record<string, string>): Record<string, string> {
  const isKept = (name: string) =>
    /^(cache-control|content-disposition|content-language|content-type|expires)$/.test(name) ||
    name.startsWith('x-amz-meta-');
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => isKept(name)));
  const encodings = (headers['content-encoding'] ?? '')
    .split(/, */)
    .filter((one) => one && one !== 'aws-chunked');
  const encoding = encodings.length > 0 ? { 'content-encoding': encodings.join(',') } : {};
  return { 'content-type': 'application/octet-stream', ...kept, ...encoding };
}

const objectHeaders = (version: ObjectVersion, bucket: Bucket, region: string) => ({
  ...version.headers,
  'accept-ranges': 'bytes',
  etag: version.etag,
  'last-modified': version.lastModified.toUTCString(),
  ...versionHeaders(version, bucket),
  ...encryptionHeaders(version.encryption, bucket, region),
});

function versionHeaders({ versionId }: ObjectVersion, { versioning }: Bucket): Record<string, string> {
  return versioning ? { 'x-amz-version-id': versionId } : {};
}

const checksumHeaders = ({ checksum: [name, value] }: ObjectVersion) => ({
  [name]: value,
  'x-amz-checksum-type': 'FULL_OBJECT',
});

/** @returns first and last byte; undefined for the whole object */
function readRange(header: string | undefined, size: number): readonly [number, number] | undefined {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
  const [first, last] =
    from === ''
      ? [Math.max(0, size - Number(to)), size - 1]
      : [Number(from), to === '' ? size - 1 : Number(to)];
  if (first >= size || last < first) {
    throw new AwsFailure(416, 'InvalidRange', 'The requested range is not satisfiable');
  }
  return [first, Math.min(last, size - 1)];
}
