// S3: which operation a request is, on which bucket and key, and what permission it needs.
import {
  type Answer,
  AwsFailure,
  type AwsRequest,
  type Check,
  type Operation,
  type Service,
  type Session,
} from '../wire.ts';
import {
  createBucket,
  deleteObjects,
  getVersioning,
  headBucket,
  putEncryption,
  putPolicy,
  putVersioning,
} from './buckets.ts';
import { usualChecksum } from './checksums.ts';
import { type Condition, notImplemented } from './conditions.ts';
import { etagOf } from './encryption.ts';
import { listObjectsV2, listObjectVersions } from './list.ts';
import { deleteObject, putObject, readObject, type S3Ground } from './objects.ts';
import { checkOf, listContext, readPlace, subresourceOf } from './request.ts';
import { type Bucket, createS3Store, currentOf } from './store.ts';
import { tagsOf } from './tags.ts';

export type S3 = ReturnType<typeof createS3>;
export type BucketSettings = Partial<Pick<Bucket, 'versioning' | 'encryption' | 'policy'>>;

export function createS3({ region, accountId, now }: { region: string; accountId: string; now: () => Date }) {
  const store = createS3Store(now);
  const ignored = new Set<Condition>();
  const ground: S3Ground = { store, region, ignored };
  const service: Service = { protocol: 's3', read: (request) => readS3(ground, request) };
  return {
    service,
    /** Or gives an existing one other settings. */
    createBucket: (name: string, settings: BucketSettings = {}) => {
      const bucket = store.has(name) ? store.bucketOf(name) : store.create(name, accountId);
      Object.assign(bucket, settings);
    },
    /** the keys that a listing would show */
    keys: (bucket: string) => {
      const found = store.bucketOf(bucket);
      return [...found.versions.keys()].filter((key) => currentOf(found, key)).sort();
    },
    /** Writes without a request, for what a test needs by the thousands. */
    write: (bucket: string, key: string, content: string | Buffer) => {
      const place = store.bucketOf(bucket);
      const body = Buffer.from(content);
      const { encryption } = place;
      const sums = { etag: etagOf(body, encryption), checksum: usualChecksum(body) };
      const headers = { 'content-type': 'application/octet-stream' };
      store.write(place, key, { body, ...sums, headers, encryption });
    },
    remove: (bucket: string, key: string) => void store.remove(store.bucketOf(bucket), key, undefined),
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
  if (request.headers['transfer-encoding'] && !request.headers['x-amz-decoded-content-length']) {
    throw notImplemented('A header you provided implies functionality that is not implemented');
  }
  if (key === '' && request.method === 'PUT' && subresourceOf(request) === '') {
    const check = { action: 's3:CreateBucket', resource: `arn:aws:s3:::${name}`, context: {} };
    const run = (session: Session) => createBucket(ground, name, session);
    return { name: 'CreateBucket', subject: '', checks: [check], run };
  }
  const bucket = ground.store.bucketOf(name);
  return key === '' ? onBucket(ground, bucket, request) : onObject(ground, bucket, key, request);
}

interface BucketOperation {
  name: string;
  /** asked of the bucket; undefined: of each object by itself */
  action?: string;
  context?: Check['context'];
  run: Operation['run'];
}

const bucketOperations: Record<
  string,
  (ground: S3Ground, bucket: Bucket, request: AwsRequest) => BucketOperation
> = {
  'HEAD ': ({ region }) => ({ name: 'HeadBucket', action: 'ListBucket', run: () => headBucket(region) }),
  'GET ': (_ground, bucket, request) => ({
    ...{ name: 'ListObjectsV2', action: 'ListBucket', context: listContext(request.query) },
    run: () => listObjectsV2(bucket, request),
  }),
  'GET versions': (_ground, bucket, request) => ({
    ...{ name: 'ListObjectVersions', action: 'ListBucketVersions', context: listContext(request.query) },
    run: () => listObjectVersions(bucket, request),
  }),
  'POST delete': (ground, bucket, request) => ({
    name: 'DeleteObjects',
    run: (session) =>
      deleteObjects(ground, bucket, request, {
        session,
        checkOf: (key, versionId) =>
          checkOf(bucket, key, versionId ? 'DeleteObjectVersion' : 'DeleteObject', request),
      }),
  }),
  'PUT versioning': (_ground, bucket, request) =>
    same('PutBucketVersioning', () => putVersioning(bucket, request)),
  'GET versioning': (_ground, bucket) => same('GetBucketVersioning', () => getVersioning(bucket)),
  'PUT encryption': ({ region }, bucket, request) => ({
    ...{ name: 'PutBucketEncryption', action: 'PutEncryptionConfiguration' },
    run: () => putEncryption(bucket, request, region),
  }),
  'PUT policy': (_ground, bucket, request) => same('PutBucketPolicy', () => putPolicy(bucket, request)),
};

const same = (name: string, run: () => Answer): BucketOperation => ({ name, action: name, run });

function onBucket(ground: S3Ground, bucket: Bucket, request: AwsRequest): Operation {
  const { query, method } = request;
  const kind = `${method} ${subresourceOf(request)}`;
  const {
    name,
    action,
    context = {},
    run,
  } = bucketOperations[kind]?.(ground, bucket, request) ?? refuseMethod();
  if (name === 'ListObjectsV2' && query['list-type'] !== '2') {
    throw notImplemented('the stand-in lists by ListObjectsV2 only');
  }
  const check = {
    ...{ action: `s3:${action}`, resource: `arn:aws:s3:::${bucket.name}`, context },
    ...{ ownerId: bucket.accountId, resourcePolicy: bucket.policy },
  };
  return { name, subject: query['prefix'] ?? '', checks: action === undefined ? [] : [check], run };
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
      const tagging = tagsOf(request.headers).length > 0 ? [check('PutObjectTagging')] : [];
      return operation('PutObject', [check('PutObject'), ...tagging, ...matching], put);
    }
    case 'DELETE': {
      const remove = () => deleteObject(ground, place, request);
      return operation('DeleteObject', [check(`DeleteObject${version}`), ...matching], remove);
    }
    default:
      return refuseMethod();
  }
}

function refuseMethod(): never {
  throw new AwsFailure(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.');
}
