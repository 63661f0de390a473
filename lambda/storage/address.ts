/** Addresses of buckets: `file:///path`, and `s3://bucket/prefix?option=…` for what the SDK's standard chain does not say. */
import { fileURLToPath } from 'node:url';
import { BucketError } from '#contract/errors.ts';
import { hostName, WRITER_TAG } from '#contract/layout.ts';

export interface S3Address {
  bucket: string;
  /** Empty, or ends with `/`. */
  prefix: string;
  /** URL of a store that is not AWS; implies path-style requests. `AWS_ENDPOINT_URL_S3` does the same. */
  endpoint: string | undefined;
  /** The operator says that the endpoint may be plain HTTP over a network: who listens there reads private keys. */
  isInsecure: boolean;
  /** Default: the region of the environment or of the instance. */
  region: string | undefined;
  /** KMS key that encrypts writes; default: as the bucket says. */
  kmsKeyId: string | undefined;
  /** Whether the bucket's name is part of the path, not of the host; default: where its name requires it. */
  pathStyle: boolean | undefined;
  /** Name of this host, with which it tags what it writes. */
  writer: string | undefined;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const OPTIONS = ['endpoint', 'region', 'kms-key', 'path-style', 'writer', 'insecure'];
/** Names below localhost are of this machine, too (RFC 6761 §6.3). */
const LOOPBACK = /^(([a-z0-9-]+\.)*localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** @throws BucketError `ERR_BUCKET_URL` */
function parseS3Address(url: URL): S3Address {
  const bucket = decodeURIComponent(url.hostname);
  const path = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, '');
  const option = (name: string) => url.searchParams.get(name) ?? undefined;
  const unknown = [...url.searchParams.keys()].find((name) => !OPTIONS.includes(name));
  const refuse = (wanted: string) => new BucketError('ERR_BUCKET_URL', withoutPassword(url), wanted);
  if (url.username !== '' || url.password !== '') {
    throw refuse('keys do not stand in the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  }
  if (!BUCKET.test(bucket)) throw refuse(s3NameProblem(bucket));
  if (unknown !== undefined) throw refuse(`${unknown} is no option; there are ${OPTIONS.join(', ')}`);
  const [endpoint, region, kmsKeyId, style, writer, insecure] = OPTIONS.map(option);
  if (endpoint !== undefined && !(URL.canParse(endpoint) && /^https?:\/\//i.test(endpoint))) {
    throw refuse('endpoint: wanted an http(s) URL');
  }
  if (insecure !== undefined && insecure !== 'true') throw refuse('insecure: wanted true, or no such option');
  const isInsecure = insecure === 'true';
  if (endpoint !== undefined) checkEndpoint(endpoint, { isInsecure, url: url.href });
  if (style !== undefined && style !== 'true' && style !== 'false') {
    throw refuse('path-style: wanted true or false');
  }
  if (writer !== undefined && !hostName.safeParse(writer).success) {
    throw refuse('writer: wanted the name that this host has in its status');
  }
  const pathStyle = (style ?? endpoint) === undefined ? undefined : style !== 'false';
  const prefix = path === '' ? '' : `${path}/`;
  return { bucket, prefix, endpoint, isInsecure, region, kmsKeyId, pathStyle, writer };
}

/**
 * @param url of the bucket, for the message
 * @throws BucketError `ERR_BUCKET_URL` for plain HTTP to another machine, unless the operator wants it
 */
export function checkEndpoint(
  endpoint: string,
  { isInsecure, url }: { isInsecure: boolean; url: string },
): void {
  if (isInsecure || !isPlainHttp(endpoint)) return;
  const { host } = new URL(endpoint);
  const seen = `endpoint http://${host}: whoever listens there reads private keys`;
  throw new BucketError('ERR_BUCKET_URL', url, `${seen}; wanted https://, or the option insecure=true`);
}

/** Plain HTTP to another machine than this one. */
export function isPlainHttp(endpoint: string): boolean {
  const parsed = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  return parsed?.protocol === 'http:' && !LOOPBACK.test(parsed.hostname);
}

/** The endpoint of S3 in the environment, as the SDK reads it. */
export function endpointIn(env: Readonly<Record<string, string | undefined>>): string | undefined {
  return env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'];
}

/** Value of `x-amz-tagging`; the name of a host needs no escapes. */
export function tagsOf({ writer }: S3Address): string | undefined {
  return writer === undefined ? undefined : `${WRITER_TAG}=${writer}`;
}

/** IAM action that a write needs, for messages. */
export function writeActionOf({ writer }: S3Address): string {
  return writer === undefined ? 's3:PutObject' : `s3:PutObject with the tag ${WRITER_TAG}=${writer}`;
}

/** In the words of S3's own rules. */
function s3NameProblem(bucket: string): string {
  const form = 'wanted s3://<bucket>/<prefix>';
  if (bucket === '') return `${form}, saw no name of a bucket: two slashes, then the name`;
  return `${form}; names have 3 to 63 small letters, digits, dots and hyphens, saw ${bucket}`;
}

function withoutPassword({ href, username, password }: URL): string {
  return username + password === '' ? href : href.replace(/\/\/[^/]*@/, '//…@');
}

export type BucketAddress = { kind: 'directory'; path: string } | { kind: 's3'; s3: S3Address };

/**
 * @param url `file:///absolute/path`, `s3://bucket/prefix`
 * @throws BucketError `ERR_BUCKET_URL`
 */
export function parseBucketUrl(url: string): BucketAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const problem = otherUrlProblem(url, parsed);
  if (problem !== undefined)
    throw new BucketError('ERR_BUCKET_URL', url.replace(/\/\/[^/]*@/, '//…@'), problem);
  if (parsed?.protocol === 's3:') return { kind: 's3', s3: parseS3Address(parsed) };
  return { kind: 'directory', path: fileURLToPath(parsed as URL) };
}

/** @returns what is wrong with it, and what to write */
export function bucketUrlProblem(url: string): string | undefined {
  try {
    parseBucketUrl(url);
    return undefined;
  } catch (error) {
    const { key, message } = error as BucketError;
    return message.slice(`${key}: `.length);
  }
}

const FORMS = 'wanted a bucket URL such as s3://my-certificates or file:///var/lib/pemfleet/bucket';

/** Of what is neither s3: nor a file's URL: what people write for one. */
function otherUrlProblem(text: string, url: URL | undefined): string | undefined {
  const { protocol, hostname = '', pathname = '' } = url ?? {};
  if (protocol === 's3:') return undefined;
  if (protocol === 'file:') {
    if (hostname !== '') return `wanted three slashes: file:///${hostname}${pathname}`;
    const isPath = /^file:(\/|\/\/\/)[^/]/.test(text) && !/%2f|%00/i.test(pathname);
    return isPath ? undefined : `${FORMS}, with an absolute path`;
  }
  if (protocol === 'http:' || protocol === 'https:') {
    return `${FORMS}; a store that is not AWS is s3://BUCKET?endpoint=${protocol}//HOST, a bucket of AWS is s3://BUCKET`;
  }
  const arn = /^arn:aws[a-z-]*:s3:::([a-z0-9.-]+)/.exec(text);
  if (arn !== null) return `wanted a URL: s3://${arn[1]}`;
  if (/^(\/|~|\.)/.test(text))
    return `wanted a URL with an absolute path: file://${text.startsWith('/') ? text : '/…'}`;
  return FORMS;
}
