// What a request to S3 says: bucket, key, subresource, and the question to IAM that it raises.
import type { AwsRequest, Check } from '../wire.ts';
import { notImplemented } from './conditions.ts';
import type { Bucket } from './store.ts';
import { tagContext } from './tags.ts';

/** Virtual-hosted where the Host's first part is a bucket's name, else by path. */
export function readPlace({ headers, path }: AwsRequest): { bucket: string; key: string } {
  const decoded = decodeURIComponent(path.slice(1));
  const [, hosted] = /^([^:]+?)\.(?:s3[.-]|localhost)/.exec(headers['host'] ?? '') ?? [];
  if (hosted !== undefined && hosted !== 's3') return { bucket: hosted, key: decoded };
  const slash = decoded.indexOf('/');
  return slash < 0
    ? { bucket: decoded, key: '' }
    : { bucket: decoded.slice(0, slash), key: decoded.slice(slash + 1) };
}

const subresources = ['versioning', 'encryption', 'policy', 'versions', 'delete'];
/** of the query, but these say which operation it is not */
const parameters =
  /^(x-id|versionId|list-type|prefix|delimiter|max-keys|continuation-token|start-after|fetch-owner|encoding-type|key-marker|version-id-marker)$/;

/** '' for the bucket or object itself */
export function subresourceOf({ query }: AwsRequest): string {
  const names = Object.keys(query).filter((name) => !parameters.test(name));
  const [name = ''] = names;
  if (names.length > 1 || (name !== '' && !subresources.includes(name))) {
    throw notImplemented(`the stand-in does not know ?${names.join('&')}`);
  }
  return name;
}

/** Headers that policies may ask for, by the same names. */
const contextHeaders = [
  'if-match',
  'if-none-match',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-content-sha256',
  'x-amz-storage-class',
  'x-amz-copy-source',
  'x-amz-server-side-encryption-customer-algorithm',
];

export function checkOf(bucket: Bucket, key: string, action: string, { headers, query }: AwsRequest): Check {
  const present = contextHeaders.flatMap((name) => {
    const value = headers[name];
    return value === undefined ? [] : [[`s3:${name}`, value]];
  });
  const version = query['versionId'] === undefined ? {} : { 's3:VersionId': query['versionId'] };
  return {
    ...{ action: `s3:${action}`, resource: `arn:aws:s3:::${bucket.name}/${key}` },
    context: { ...Object.fromEntries(present), ...version, ...tagContext(headers) },
    ...{ ownerId: bucket.accountId, resourcePolicy: bucket.policy },
  };
}

export function listContext(query: Record<string, string>): Check['context'] {
  const names = ['prefix', 'delimiter', 'max-keys'];
  const present = names.flatMap((name) => (query[name] === undefined ? [] : [[`s3:${name}`, query[name]]]));
  return Object.fromEntries(present);
}
