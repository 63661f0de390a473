// S3: which operation a request is, on which bucket and key, and what permission it needs.
import {
  createBucket,
  deleteObjects,
  getVersioning,
  headBucket,
  putEncryption,
  putPolicy,
  putVersioning,
} from './s3-buckets.ts';
import { type Condition, notImplemented } from './s3-conditions.ts';
import { listObjectsV2, listObjectVersions } from './s3-list.ts';
import { deleteObject, putObject, readObject, type S3Ground } from './s3-objects.ts';
import { type Bucket, createS3Store, currentOf } from './s3-store.ts';
import {
  type Answer,
  AwsFailure,
  type AwsRequest,
  type Check,
  type Operation,
  type Service,
  type Session,
} from './wire.ts';

export type S3 = ReturnType<typeof createS3>;

export function createS3({ region, accountId, now }: { region: string; accountId: string; now: () => Date }) {
  const store = createS3Store(now);
  const ignored = new Set<Condition>();
  const ground: S3Ground = { store, region, ignored };
  const service: Service = { protocol: 's3', read: (request) => readS3(ground, request) };
  return {
    service,
    createBucket: (name: string) => void store.create(name, accountId),
    /** the keys that a listing would show */
    keys: (bucket: string) => {
      const found = store.bucketOf(bucket);
      return [...found.versions.keys()].filter((key) => currentOf(found, key)).sort();
    },
    /** what the current version holds; undefined if there is none */
    text: (bucket: string, key: string) => currentOf(store.bucketOf(bucket), key)?.body.toString(),
    /** From now on writes do not honour these: a look-alike of S3 that lies. */
    ignore: (...conditions: Condition[]) => {
      ignored.clear();
      for (const condition of conditions) ignored.add(condition);
    },
  };
}

function readS3(ground: S3Ground, request: AwsRequest): Operation {
  const { bucket: name, key } = readPlace(request);
  if (name === '') throw notImplemented('the stand-in lists no buckets');
  if (request.headers['transfer-encoding'] && !request.headers['x-amz-decoded-content-length'])
    throw notImplemented('A header you provided implies functionality that is not implemented');
  if (key === '' && request.method === 'PUT' && subresourceOf(request) === '') {
    const check = { action: 's3:CreateBucket', resource: `arn:aws:s3:::${name}`, context: {} };
    const run = (session: Session) => createBucket(ground, name, session);
    return { name: 'CreateBucket', subject: '', checks: [check], run };
  }
  const bucket = ground.store.bucketOf(name);
  return key === '' ? onBucket(ground, bucket, request) : onObject(ground, bucket, key, request);
}

/** Virtual-hosted where the Host's first part is a bucket's name, else by path. */
function readPlace({ headers, path }: AwsRequest): { bucket: string; key: string } {
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
function subresourceOf({ query }: AwsRequest): string {
  const names = Object.keys(query).filter((name) => !parameters.test(name));
  const [name = ''] = names;
  if (names.length > 1 || (name !== '' && !subresources.includes(name)))
    throw notImplemented(`the stand-in does not know ?${names.join('&')}`);
  return name;
}

function onBucket(ground: S3Ground, bucket: Bucket, request: AwsRequest): Operation {
  const { query, method } = request;
  const { region } = ground;
  const check = (action: string, context: Check['context'] = {}): Check => ({
    ...{ action: `s3:${action}`, resource: `arn:aws:s3:::${bucket.name}`, context },
    ...{ ownerId: bucket.accountId, resourcePolicy: bucket.policy },
  });
  const operation = (name: string, checks: Check[], run: Operation['run']): Operation => ({
    ...{ name, checks, run, subject: query['prefix'] ?? '' },
  });
  const objectCheck = (key: string, versionId: string | undefined) =>
    checkOf(bucket, key, versionId ? 'DeleteObjectVersion' : 'DeleteObject', request);
  const listing = listContext(query);
  const list = () => listObjectsV2(bucket, request);
  switch (`${method} ${subresourceOf(request)}`) {
    case 'HEAD ':
      return operation('HeadBucket', [check('ListBucket')], () => headBucket(region));
    case 'GET ':
      if (query['list-type'] !== '2') throw notImplemented('the stand-in lists by ListObjectsV2 only');
      return operation('ListObjectsV2', [check('ListBucket', listing)], list);
    case 'GET versions':
      return operation('ListObjectVersions', [check('ListBucketVersions', listing)], () =>
        listObjectVersions(bucket, request),
      );
    case 'POST delete':
      return operation('DeleteObjects', [], (session) =>
        deleteObjects(ground, bucket, request, session, objectCheck),
      );
    case 'PUT versioning':
      return operation('PutBucketVersioning', [check('PutBucketVersioning')], () =>
        putVersioning(bucket, request),
      );
    case 'GET versioning':
      return operation('GetBucketVersioning', [check('GetBucketVersioning')], () => getVersioning(bucket));
    case 'PUT encryption':
      return operation('PutBucketEncryption', [check('PutEncryptionConfiguration')], () =>
        putEncryption(bucket, request, region),
      );
    case 'PUT policy':
      return operation('PutBucketPolicy', [check('PutBucketPolicy')], () => putPolicy(bucket, request));
    default:
      throw notAllowed();
  }
}

function onObject(ground: S3Ground, bucket: Bucket, key: string, request: AwsRequest): Operation {
  if (subresourceOf(request) !== '') throw notImplemented('the stand-in knows no subresources of objects');
  const place = { bucket, key };
  const version = request.query['versionId'] === undefined ? '' : 'Version';
  const check = (action: string) => checkOf(bucket, key, action, request);
  // to compare an ETag is to read the object
  const matching = request.headers['if-match'] === undefined ? [] : [check('GetObject')];
  const operation = (
    name: string,
    checks: Check[],
    run: (session: Session) => Answer | Promise<Answer>,
  ): Operation => ({ name, subject: key, checks, run });
  switch (request.method) {
    case 'GET':
    case 'HEAD': {
      const name = request.method === 'GET' ? 'GetObject' : 'HeadObject';
      const read = (session: Session) => readObject(ground, place, request, session);
      return operation(name, [check(`GetObject${version}`)], read);
    }
    case 'PUT': {
      const put = (session: Session) => putObject(ground, place, request, session);
      return operation('PutObject', [check('PutObject'), ...matching], put);
    }
    case 'DELETE': {
      const remove = () => deleteObject(ground, place, request);
      return operation('DeleteObject', [check(`DeleteObject${version}`), ...matching], remove);
    }
    default:
      throw notAllowed();
  }
}

/** Headers that policies may ask for, by the same names. */
const contextHeaders = [
  'if-match',
  'if-none-match',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-content-sha256',
];

function checkOf(bucket: Bucket, key: string, action: string, { headers, query }: AwsRequest): Check {
  const present = contextHeaders.flatMap((name) => {
    const value = headers[name];
    return value === undefined ? [] : [[`s3:${name}`, value]];
  });
  const version = query['versionId'] === undefined ? {} : { 's3:VersionId': query['versionId'] };
  return {
    ...{ action: `s3:${action}`, resource: `arn:aws:s3:::${bucket.name}/${key}` },
    context: { ...Object.fromEntries(present), ...version },
    ...{ ownerId: bucket.accountId, resourcePolicy: bucket.policy },
  };
}

function listContext(query: Record<string, string>): Check['context'] {
  const names = ['prefix', 'delimiter', 'max-keys'];
  const present = names.flatMap((name) => (query[name] === undefined ? [] : [[`s3:${name}`, query[name]]]));
  return Object.fromEntries(present);
}

const notAllowed = () =>
  new AwsFailure(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.');
