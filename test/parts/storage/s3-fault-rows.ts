// Failures of S3: how each begins and ends, and the code that it becomes.
import type { Bucket } from '#storage/bucket.ts';
import { type Aws, type FaultPlace, refusals } from '../../aws/aws.ts';
import { setEnv, type Variables } from '../../support/env.ts';

type Fault = Parameters<Aws['fault']>[1];

export const KEY = 'published/default/manifest.json';
const faulty =
  (fault: Fault, place: FaultPlace = {}) =>
  (aws: Aws) =>
    aws.fault({ service: 's3', ...place }, fault);
const withEnv = (changes: Variables) => () => setEnv(changes);
const limited = (action: string) => (aws: Aws) =>
  setEnv(
    aws.principal({
      name: `without-${action.slice(3)}`,
      policies: [
        {
          Version: '2012-10-17',
          Statement: [
            { Effect: 'Allow', Action: 's3:*', Resource: '*' },
            { Effect: 'Deny', Action: action, Resource: '*' },
          ],
        },
      ],
    }).env,
  );

export interface Row {
  says: string;
  /** @returns a function that ends the fault */
  begin: (aws: Aws) => () => void;
  code: string;
  message: RegExp;
  use?: (bucket: Bucket) => Promise<unknown>;
}

export const get = (bucket: Bucket) => bucket.get(KEY);
const put = (bucket: Bucket) => bucket.put(KEY, '{}');
export const rows: Row[] = [
  {
    says: 'reading is denied',
    begin: limited('s3:GetObject'),
    code: 'DENIED',
    message: /s3:GetObject is denied/,
  },
  {
    says: 'writing is denied',
    begin: limited('s3:PutObject'),
    code: 'DENIED',
    message: /s3:PutObject is denied/,
    use: put,
  },
  {
    says: 'listing is denied',
    begin: limited('s3:ListBucket'),
    code: 'DENIED',
    message: /s3:ListBucket is denied/,
    use: (bucket) => bucket.list('issuer/'),
  },
  {
    says: 'deleting is denied',
    begin: limited('s3:DeleteObject'),
    code: 'DENIED',
    message: /s3:DeleteObject is denied/,
    use: (bucket) => bucket.delete(KEY),
  },
  { says: '503 SlowDown', begin: faulty(refusals.slowDown()), code: 'UNREACHABLE', message: /SlowDown/ },
  {
    says: '500 InternalError',
    begin: faulty(refusals.internalError()),
    code: 'UNREACHABLE',
    message: /InternalError/,
    use: put,
  },
  {
    says: 'reset before the answer',
    begin: faulty({ before: 'reset' }),
    code: 'UNREACHABLE',
    message: /out of reach/,
  },
  {
    says: 'reset in the body',
    begin: faulty({ wire: 'reset-in-body' }),
    code: 'UNREACHABLE',
    message: /out of reach/,
  },
  {
    says: 'a body that is not what its checksum says',
    begin: faulty('corrupt-body'),
    code: 'IO',
    message: /damaged on its way/,
  },
  { says: 'KMS denies', begin: faulty(refusals.kmsDenied()), code: 'DENIED', message: /KMS key/ },
  {
    says: 'the KMS key is disabled',
    begin: faulty(refusals.kmsDisabled()),
    code: 'DENIED',
    message: /KMS\.DisabledException/,
    use: put,
  },
  {
    says: 'an unknown access key',
    begin: withEnv({ AWS_ACCESS_KEY_ID: 'AKIAUNKNOWN' }),
    code: 'CREDENTIALS',
    message: /InvalidAccessKeyId/,
  },
  {
    says: 'a wrong secret',
    begin: withEnv({ AWS_SECRET_ACCESS_KEY: 'wrong' }),
    code: 'CREDENTIALS',
    message: /SignatureDoesNotMatch/,
  },
  {
    says: 'expired credentials',
    begin: (aws) =>
      withEnv(
        aws.principal({
          name: 'old',
          role: aws.role({ name: 'r', policies: 'everything' }),
          expiresAt: new Date(0),
        }).env,
      )(),
    code: 'CREDENTIALS',
    message: /ExpiredToken/,
  },
  {
    says: 'no credentials',
    begin: withEnv({
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_EC2_METADATA_DISABLED: 'true',
      HOME: '/nonexistent',
    }),
    code: 'CREDENTIALS',
    message: /no usable AWS credentials/,
  },
];
