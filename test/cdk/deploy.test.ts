/**
 * Follows docs/deploy.md from a copy of the checkout to a stack and back, with the pinned CLI itself: `cdk bootstrap`, `cdk deploy` twice,
 * `cdk destroy`. AWS is moto 5.2, which runs a part of CloudFormation: IGNORED and docs/deploy.md list what it leaves out. When moto
 * supports more, this test fails, so that the lists stay true.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { GetBucketVersioningCommand, GetPublicAccessBlockCommand } from '@aws-sdk/client-s3';
import { startMoto } from '../support/parts/moto.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { freshClone, QUALIFIER } from './fresh-clone.ts';
import { motoAccount } from './moto-account.ts';

/** Resources that moto's CloudFormation does not know: it creates none of them, and does not fail. */
const IGNORED = [
  'AWS::CloudWatch::Alarm',
  // moto makes it, but the stack does not list it.
  'AWS::Lambda::Alias',
  'AWS::Lambda::EventInvokeConfig',
  // moto creates it, but the stack does not list it.
  'AWS::Lambda::Permission',
  'AWS::Lambda::Url',
  'AWS::S3::BucketPolicy',
  'AWS::SNS::Subscription',
  'AWS::SNS::TopicPolicy',
  'AWS::SQS::QueuePolicy',
  'AWS::Scheduler::Schedule',
];

const FILLED_IN = `acme:
  directoryUrl: letsencrypt-staging
  termsOfServiceAgreed: true
  contact: ['mailto:ops@example.test']
challenge: http-01
wakeMinutes: 20
certificates:
  - identifiers: [www.example.test, example.test]
    fleets: [default]
`;

const { path, remove } = makeTempDir();
after(remove);
const moto = await startMoto();
after(moto.stop);
const account = motoAccount(moto);
const { directory, sh, home } = freshClone(path, moto);
const assetsBucket = `cdk-${QUALIFIER}-assets-123456789012-${moto.region}`;
const context = `-c @aws-cdk/core:bootstrapQualifier=${QUALIFIER}`;
const deploy = `npx cdk deploy --require-approval never -c emails=ops@example.test ${context}`;

interface Template {
  Resources: Record<string, { Type: string; DeletionPolicy?: string }>;
}
const template = (): Template =>
  JSON.parse(readFileSync(join(directory, 'cdk.out/Pemfleet.template.json'), 'utf8'));
const nameOf = async (prefix: string) =>
  (await account.resources('Pemfleet')).find(({ id }) => id.replace(/[0-9A-F]{8}$/, '') === prefix)?.name ??
  `no ${prefix}`;

test('the account is bootstrapped, and the clone built and filled in', async () => {
  const [bootstrapped] = await Promise.all([
    // Outside the clone, where there is nothing to synthesize yet.
    sh(
      `${directory}/node_modules/.bin/cdk bootstrap aws://123456789012/${moto.region} --qualifier ${QUALIFIER}`,
      home,
    ),
    sh('npm run build'),
  ]);
  writeFileSync(join(directory, 'cdk/pemfleet.yaml'), FILLED_IN);

  assert.match(bootstrapped, /✅ {2}Environment .* bootstrapped/);
});

test('npx cdk deploy creates every resource of the template that moto knows', async () => {
  const isDeployed = sh(deploy);
  await account.answerCustomResources('Pemfleet', isDeployed, template);
  assert.match(await isDeployed, /✅ {2}Pemfleet\n/);

  const types = (resources: { type: string }[]) => resources.map(({ type }) => type).sort();
  const wanted = Object.entries(template().Resources).map(([id, { Type: type }]) => ({ id, type }));
  const ignored = wanted.filter(({ type }) => IGNORED.includes(type));
  assert.deepEqual([...new Set(types(ignored))], IGNORED);
  assert.deepEqual(
    types(await account.resources('Pemfleet')),
    types(wanted.filter((resource) => !ignored.includes(resource))),
  );
});

test('the functions run the published assets, and their environment names bucket and document', async () => {
  const bucket = await nameOf('PemfleetBucket');
  const document = await nameOf('PemfleetNotifyDocument');
  const [issuer, responder] = (await account.functions()).sort((a, b) => b.Timeout - a.Timeout);
  const assets = await account.objects(assetsBucket);

  for (const fn of [issuer, responder]) {
    assert.deepEqual([fn?.Runtime, fn?.Handler], ['nodejs24.x', 'index.handler']);
    assert.equal(fn?.Environment.Variables['PEMFLEET_BUCKET'], `s3://${bucket}`);
    assert.ok(
      assets.some(({ Key, Size }) => Key.endsWith('.zip') && Size === fn?.CodeSize),
      'another code',
    );
  }
  assert.equal(issuer?.Environment.Variables['PEMFLEET_NOTIFY_DOCUMENT'], document);
});

test('no agent is uploaded by a stack that grants no host', async () => {
  const keys = (await account.objects(assetsBucket)).map(({ Key }) => Key);

  assert.deepEqual(
    keys.filter((key) => !/\.(zip|json)$/.test(key)),
    [],
  );
});

test('the bucket is encrypted by the key of the stack, and the document exists', async () => {
  const encryption = await account.encryptionOf(await nameOf('PemfleetBucket'));

  assert.equal(encryption?.SSEAlgorithm, 'aws:kms');
  assert.ok(encryption?.KMSMasterKeyID?.endsWith(await nameOf('PemfleetKey')), encryption?.KMSMasterKeyID);
  assert.match(await account.document(await nameOf('PemfleetNotifyDocument')), /allowedPattern/);
});

test('moto still leaves out what docs/deploy.md says of the bucket', async () => {
  const Bucket = await nameOf('PemfleetBucket');
  const { Status } = await account.s3.send(new GetBucketVersioningCommand({ Bucket }));

  assert.equal(Status, undefined);
  await assert.rejects(account.s3.send(new GetPublicAccessBlockCommand({ Bucket })), {
    name: 'NoSuchPublicAccessBlockConfiguration',
  });
});

test('a second deploy synthesizes the same and changes nothing', async () => {
  assert.match(await sh(deploy), /Pemfleet \(no changes\)/);
});

test('npx cdk destroy: the template keeps bucket and key, so that no host loses what it serves', async () => {
  const kept = Object.values(template().Resources).filter(({ Type }) =>
    /^AWS::(S3::Bucket|KMS::Key)$/.test(Type),
  );

  assert.match(await sh('npx cdk destroy --force -a cdk.out'), /✅ {2}Pemfleet: destroyed/);

  assert.deepEqual(await account.functions(), []);
  // moto knows the policy Retain only, and deletes them.
  assert.deepEqual(
    kept.map(({ DeletionPolicy }) => DeletionPolicy),
    ['RetainExceptOnCreate', 'RetainExceptOnCreate'],
  );
});

test('README and docs/deploy.md name the steps, and what moto leaves out of them', () => {
  const text = readFileSync(fileURLToPath(new URL('../../docs/deploy.md', import.meta.url)), 'utf8');

  const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
  for (const step of ['npm ci --ignore-scripts && npm run build', 'npx cdk bootstrap', 'npx cdk deploy']) {
    assert.ok(text.includes(step) && readme.includes(step), step);
  }
  assert.deepEqual(
    IGNORED.filter((type) => !text.includes(type.replace('AWS::', ''))),
    [],
  );
});
