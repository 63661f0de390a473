// Buckets themselves: making them, their settings, and deleting many objects at once.
import { type Answer, AwsFailure, type AwsRequest, type Check, type Session } from '../wire.ts';
import { fromXml, toXml } from '../xml.ts';
import { verifyChecksums } from './checksums.ts';
import { keyArn } from './encryption.ts';
import { deleteObject, type S3Ground } from './objects.ts';
import type { Bucket } from './store.ts';

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';
const xmlType = { 'content-type': 'application/xml' };
const done: Answer = { status: 200, headers: {}, body: '' };
const malformed = () =>
  new AwsFailure(400, 'MalformedXML', 'The XML you provided was not well-formed or did not validate');

export function createBucket({ store }: S3Ground, name: string, { caller }: Session): Answer {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) {
    throw new AwsFailure(400, 'InvalidBucketName', 'The specified bucket is not valid.');
  }
  if (store.has(name)) {
    const isOwn = store.bucketOf(name).accountId === caller.accountId;
    const code = isOwn ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists';
    throw new AwsFailure(409, code, 'The requested bucket name is not available.');
  }
  store.create(name, caller.accountId);
  return { ...done, headers: { location: `/${name}` } };
}

export const headBucket = (region: string): Answer => ({
  ...done,
  headers: { 'x-amz-bucket-region': region },
});

export function putVersioning(bucket: Bucket, { body }: AwsRequest): Answer {
  const { VersioningConfiguration: input } = fromXml(body.toString()) as {
    VersioningConfiguration?: { Status?: string };
  };
  const status = input?.Status;
  if (status !== 'Enabled' && status !== 'Suspended') throw malformed();
  bucket.versioning = status;
  return done;
}

export function getVersioning({ versioning }: Bucket): Answer {
  const status = versioning ? { Status: versioning } : {};
  const body = toXml({ VersioningConfiguration: { '@xmlns': namespace, ...status } });
  return { status: 200, headers: xmlType, body };
}

/** The encryption that uploads get which ask for none. */
export function putEncryption(bucket: Bucket, { body }: AwsRequest, region: string): Answer {
  const { ServerSideEncryptionConfiguration: input } = fromXml(body.toString()) as {
    ServerSideEncryptionConfiguration?: {
      Rule?: {
        BucketKeyEnabled?: string;
        ApplyServerSideEncryptionByDefault?: { SSEAlgorithm?: string; KMSMasterKeyID?: string };
      };
    };
  };
  const byDefault = input?.Rule?.ApplyServerSideEncryptionByDefault;
  const algorithm = byDefault?.SSEAlgorithm;
  if (algorithm !== 'aws:kms' && algorithm !== 'AES256') throw malformed();
  const keyId = byDefault?.KMSMasterKeyID;
  bucket.encryption = {
    algorithm,
    kmsKeyArn: keyId ? keyArn(keyId, bucket.accountId, region) : undefined,
    bucketKey: input?.Rule?.BucketKeyEnabled === 'true',
  };
  return done;
}

export function putPolicy(bucket: Bucket, { body }: AwsRequest): Answer {
  bucket.policy = JSON.parse(body.toString()) as object;
  return { ...done, status: 204 };
}

interface DeleteInput {
  Delete?: { Object?: { Key: string; VersionId?: string; ETag?: string }[]; Quiet?: string };
}

/** Each key is allowed or refused, deleted or not, by itself. */
export async function deleteObjects(
  ground: S3Ground,
  bucket: Bucket,
  request: AwsRequest,
  { session, checkOf }: { session: Session; checkOf: (key: string, versionId: string | undefined) => Check },
): Promise<Answer> {
  const given = Object.keys({ ...request.headers, ...request.trailers });
  if (!given.some((name) => name === 'content-md5' || name.startsWith('x-amz-checksum-'))) {
    throw new AwsFailure(400, 'InvalidRequest', 'Missing required header for this request: Content-MD5');
  }
  await verifyChecksums(request);
  const input = (fromXml(request.body.toString(), ['Object']) as DeleteInput).Delete;
  const objects = input?.Object ?? [];
  if (objects.length === 0 || objects.length > 1000) throw malformed();
  const [Deleted, Failed]: [object[], object[]] = [[], []];
  for (const { Key, VersionId, ETag } of objects) {
    try {
      await session.require(checkOf(Key, VersionId));
      const single: AwsRequest = {
        ...request,
        headers: ETag ? { 'if-match': ETag } : {},
        query: VersionId ? { versionId: VersionId } : {},
      };
      deleteObject(ground, { bucket, key: Key }, single);
      Deleted.push({ Key, ...(VersionId ? { VersionId } : {}) });
    } catch (error) {
      if (!(error instanceof AwsFailure)) throw error;
      Failed.push({ Key, Code: error.code, Message: error.message });
    }
  }
  const shown = input?.Quiet === 'true' ? {} : { Deleted };
  const body = toXml({ DeleteResult: { '@xmlns': namespace, ...shown, Error: Failed } });
  return { status: 200, headers: xmlType, body };
}
