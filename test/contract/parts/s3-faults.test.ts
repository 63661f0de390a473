// What S3 answers on a bad day: each row ends with our code, names bucket and key, and the next try heals.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Bucket } from '#contract/bucket/bucket.ts';
import { openBucket } from '#contract/bucket/open.ts';
import { openLight } from '#contract/bucket/open-light.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { type Aws, type FaultPlace, refusals, startAws } from '../../parts/aws/aws.ts';

type Fault = Parameters<Aws['fault']>[1];

let aws: Aws;
let skewMs = 0;
before(async () => {
  aws = await startAws({ now: () => new Date(Date.now() + skewMs) });
  aws.s3.createBucket('certs');
});
after(() => aws.stop());

const KEY = 'published/default/manifest.json';
const faulty =
  (fault: Fault, place: FaultPlace = {}) =>
  () =>
    aws.fault({ service: 's3', ...place }, fault);
const withEnv = (change: Record<string, string | undefined>) => () => {
  const before = { ...process.env };
  for (const [name, value] of Object.entries(change))
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  return () => {
    process.env = before;
  };
};
const limited = (action: string) =>
  withEnv({
    ...aws.principal({
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
  })();

interface Row {
  says: string;
  /** @returns what ends the fault */
  begin: () => () => void;
  code: string;
  message: RegExp;
  use?: (bucket: Bucket) => Promise<unknown>;
}

const get = (bucket: Bucket) => bucket.get(KEY);
const put = (bucket: Bucket) => bucket.put(KEY, '{}');
const rows: Row[] = [
  {
    says: 'reading is denied',
    begin: () => limited('s3:GetObject'),
    code: 'DENIED',
    message: /s3:GetObject is denied/,
  },
  {
    says: 'writing is denied',
    begin: () => limited('s3:PutObject'),
    code: 'DENIED',
    message: /s3:PutObject is denied/,
    use: put,
  },
  {
    says: 'listing is denied',
    begin: () => limited('s3:ListBucket'),
    code: 'DENIED',
    message: /s3:ListBucket is denied/,
    use: (bucket) => bucket.list('issuer/'),
  },
  {
    says: 'deleting is denied',
    begin: () => limited('s3:DeleteObject'),
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
    begin: () =>
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

const openers = {
  SDK: (url: string) => openBucket(url),
  'without the SDK': async (url: string) => ({
    ...(await openBucket(url)),
    ...(await openLight(url, process.env)),
  }),
};

for (const [kind, open] of Object.entries(openers)) {
  for (const { says, begin, code, message, use = get } of rows) {
    test(`S3, ${kind}: ${says}`, async () => {
      Object.assign(process.env, aws.administrator.env);
      await (await open('s3://certs/fleet')).put(KEY, '{"kept":true}');
      const end = begin();

      const failure = await open('s3://certs/fleet')
        .then(use)
        .then(
          () => undefined,
          (error: unknown) => error,
        );

      end();
      assert.equal(codeOf(failure), `ERR_BUCKET_${code}`, messageOf(failure));
      assert.match(messageOf(failure), message);
      assert.match(messageOf(failure), /^s3:\/\/certs\/fleet\//);
      const secret = aws.administrator.env['AWS_SECRET_ACCESS_KEY'] ?? 'no secret';
      assert.ok(!messageOf(failure).includes(secret));
      await use(await open('s3://certs/fleet'));
    });
  }
}

test('S3: a clock that is an hour off', async () => {
  Object.assign(process.env, aws.administrator.env);
  skewMs = 3_600_000;
  const read = await (await openBucket('s3://certs')).get(KEY).then(
    () => 'read',
    (error: unknown) => codeOf(error),
  );
  skewMs = 0;

  // The SDK learns the difference from the refusal and signs anew.
  assert.ok(read === 'read' || read === 'ERR_BUCKET_CLOCK', read);
});

test('S3: no such bucket', async () => {
  Object.assign(process.env, aws.administrator.env);
  const failure = await (await openBucket('s3://nowhere')).get(KEY).catch((error: unknown) => error);

  assert.equal(codeOf(failure), 'ERR_BUCKET_MISSING');
});

for (const url of [
  's3://',
  's3://UPPER',
  's3://a',
  's3://certs?nope=1',
  's3://certs?path-style=yes',
  's3://certs?endpoint=localhost',
])
  test(`S3: ${url} is no address`, async () => {
    const failure = await openBucket(url).catch((error: unknown) => error);

    assert.equal(codeOf(failure), 'ERR_BUCKET_URL', messageOf(failure));
  });
