// Listing: ListObjectsV2 and ListObjectVersions, in the order of the keys' UTF-8 bytes, a page at a time.
import { type Answer, AwsFailure, type AwsRequest } from '../wire.ts';
import { toXml } from '../xml.ts';
import type { Bucket, ObjectVersion } from './store.ts';

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** What a listing shows: an object, or a prefix that many share. */
type Row = { prefix: string } | { version: ObjectVersion; isLatest: boolean };

interface ListInput {
  prefix: string;
  delimiter: string;
  maxKeys: number;
  encode: (text: string) => string;
}

function readInput({ query }: AwsRequest): ListInput {
  const maxKeys = Number(query['max-keys'] ?? 1000);
  if (!Number.isInteger(maxKeys) || maxKeys < 0) {
    throw new AwsFailure(400, 'InvalidArgument', 'Provided max-keys not an integer or within integer range');
  }
  const isUrl = query['encoding-type'] === 'url';
  return {
    prefix: query['prefix'] ?? '',
    delimiter: query['delimiter'] ?? '',
    maxKeys: Math.min(maxKeys, 1000),
    encode: (text) => (isUrl ? encodeURIComponent(text).replaceAll('%2F', '/') : text),
  };
}

export function listObjectsV2(bucket: Bucket, request: AwsRequest): Answer {
  const input = readInput(request);
  const after = readToken(request.query['continuation-token']) ?? request.query['start-after'] ?? '';
  const all = rowsOf(bucket, input, ({ isDeleteMarker }, isLatest) => isLatest && !isDeleteMarker);
  const rows = all.filter((row) => isAfter(row, after));
  const page = rows.slice(0, input.maxKeys);
  const last = page.at(-1);
  const isTruncated = rows.length > page.length && last !== undefined;
  const { encode } = input;
  return listing('ListBucketResult', {
    ...{ Name: bucket.name, Prefix: encode(input.prefix), MaxKeys: input.maxKeys, KeyCount: page.length },
    ...(input.delimiter ? { Delimiter: encode(input.delimiter) } : {}),
    ...(request.query['encoding-type'] ? { EncodingType: 'url' } : {}),
    IsTruncated: isTruncated,
    ...(isTruncated ? { NextContinuationToken: writeToken(nameOf(last)) } : {}),
    Contents: page.flatMap((row) => ('version' in row ? [contents(row.version, encode)] : [])),
    CommonPrefixes: commonPrefixes(page, encode),
  });
}

export function listObjectVersions(bucket: Bucket, request: AwsRequest): Answer {
  const input = readInput(request);
  const { encode } = input;
  const rows = rowsOf(bucket, input, () => true);
  const from = startOf(rows, request.query);
  const page = rows.slice(from, from + input.maxKeys);
  const last = page.at(-1);
  const isTruncated = rows.length > from + page.length && last !== undefined;
  const versions = page.flatMap((row) => ('version' in row ? [row] : []));
  const entry = ({ version, isLatest }: { version: ObjectVersion; isLatest: boolean }) => ({
    ...{ Key: encode(version.key), VersionId: version.versionId, IsLatest: isLatest },
    LastModified: version.lastModified.toISOString(),
  });
  return listing('ListVersionsResult', {
    ...{ Name: bucket.name, Prefix: encode(input.prefix), MaxKeys: input.maxKeys, IsTruncated: isTruncated },
    ...(request.query['encoding-type'] ? { EncodingType: 'url' } : {}),
    ...(isTruncated ? { NextKeyMarker: encode(nameOf(last)) } : {}),
    ...(isTruncated && 'version' in last ? { NextVersionIdMarker: last.version.versionId } : {}),
    Version: versions
      .filter(({ version }) => !version.isDeleteMarker)
      .map((row) => ({ ...entry(row), ETag: row.version.etag, Size: row.version.body.length })),
    DeleteMarker: versions.filter(({ version }) => version.isDeleteMarker).map(entry),
    CommonPrefixes: commonPrefixes(page, encode),
  });
}

/** All rows in order; of one key the newest version first. */
function rowsOf(
  bucket: Bucket,
  { prefix, delimiter }: ListInput,
  isShown: (version: ObjectVersion, isLatest: boolean) => boolean,
): Row[] {
  const keys = [...bucket.versions.keys()].filter((key) => key.startsWith(prefix)).sort(compareKeys);
  const rows: Row[] = [];
  const seen = new Set<string>();
  for (const key of keys) {
    const shown = (bucket.versions.get(key) ?? [])
      .map((version, index, all) => ({ version, isLatest: index === all.length - 1 }))
      .filter(({ version, isLatest }) => isShown(version, isLatest));
    if (shown.length === 0) continue;
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (end < 0) rows.push(...shown.reverse());
    else {
      const common = key.slice(0, end + delimiter.length);
      if (!seen.has(common)) rows.push({ prefix: common });
      seen.add(common);
    }
  }
  return rows;
}

const nameOf = (row: Row) => ('prefix' in row ? row.prefix : row.version.key);

const isAfter = (row: Row, name: string) => compareKeys(nameOf(row), name) > 0;

/** Versions of one key follow each other by age: the marker's own row tells where. */
function startOf(rows: readonly Row[], query: Record<string, string>): number {
  const { 'key-marker': key = '', 'version-id-marker': versionId } = query;
  if (key === '') return 0;
  const isMarker = (row: Row) =>
    'version' in row && row.version.key === key && row.version.versionId === versionId;
  const at = rows.findIndex(isMarker);
  if (at >= 0) return at + 1;
  const next = rows.findIndex((row) => isAfter(row, key));
  return next < 0 ? rows.length : next;
}

/** By UTF-16, which is the order of UTF-8 for all letters of the basic plane. */
const compareKeys = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);

const contents = (version: ObjectVersion, encode: (text: string) => string) => ({
  ...{ Key: encode(version.key), LastModified: version.lastModified.toISOString() },
  ...{ ETag: version.etag, Size: version.body.length, StorageClass: 'STANDARD' },
});

const commonPrefixes = (page: readonly Row[], encode: (text: string) => string) =>
  page.flatMap((row) => ('prefix' in row ? [{ Prefix: encode(row.prefix) }] : []));

/** Opaque to clients, as S3's is. */
const writeToken = (name: string) => Buffer.from(`after:${name}`).toString('base64url');

function readToken(token: string | undefined): string | undefined {
  if (token === undefined) return undefined;
  const text = Buffer.from(token, 'base64url').toString();
  if (!text.startsWith('after:')) {
    throw new AwsFailure(400, 'InvalidArgument', 'The continuation token provided is incorrect');
  }
  return text.slice('after:'.length);
}

const listing = (name: string, fields: object): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/xml' },
  body: toXml({ [name]: { '@xmlns': namespace, ...fields } }),
});
