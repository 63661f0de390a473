/**
 * Apps of somebody else's, who has the packed tarball and nothing of this repository: with the lowest and with the newest aws-cdk-lib that is allowed, hosts granted. The CLI
 * deploys both into one account of moto; the hosts' role, as it stands there then, is the one under which the tarball's agent works in the strict stand-in of AWS.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { codeOf } from '#contract/errors.ts';
import { hostName, layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { startBench } from '../../aws/clients.ts';
import { machineAt, QUALIFIER } from '../../cdk/fresh-clone.ts';
import { motoAccount } from '../../cdk/moto-account.ts';
import { install, LOWEST_CDK } from '../../cdk/packed.ts';
import { agentRelease } from '../../cdk/stacks.ts';
import { fleet } from '../../support/agent/host.ts';
import { publisher } from '../../support/agent/publish.ts';
import { setEnv } from '../../support/env.ts';
import { startMoto } from '../../support/parts/moto.ts';
import { createPki } from '../../support/parts/pki.ts';
import { makeTempDir, tempDir } from '../../support/temp-dir.ts';

const run = promisify(execFile);
const INSTANCE = 'i-0aaaaaaaaaaaaaaa1';
/** moto's. */
const ACCOUNT = '123456789012';

const appOf = (stack: string) => `import { App } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { PemfleetConfig, PemfleetStack } from 'pemfleet';

const config = PemfleetConfig.of({
  acme: { directoryUrl: 'letsencrypt', termsOfServiceAgreed: true },
  challenge: 'dns-01',
  certificates: [{ identifiers: ['www.example.com'], fleets: ['${fleet}'] }],
});
const app = new App();
const stack = new PemfleetStack(app, '${stack}', { pemfleet: { config, agentRelease: '${agentRelease}' } });
const hosts = new Role(stack, 'Hosts', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
stack.pemfleet.grantAgent(hosts, '${fleet}');
`;

const { path, remove } = makeTempDir();
after(remove);
const moto = await startMoto();
after(moto.stop);
const account = motoAccount(moto);
const context = `-c @aws-cdk/core:bootstrapQualifier=${QUALIFIER}`;
const cdk = realpathSync('node_modules/.bin/cdk');
let isBootstrapped = false;

for (const [stack, library] of [
  ['Lowest', LOWEST_CDK],
  ['Newest', 'aws-cdk-lib'],
] as const) {
  test(`the packed tarball with the ${stack.toLowerCase()} aws-cdk-lib is deployed, and its hosts do what they may`, async (t) => {
    const { directory, sh, home } = machineAt(join(path, stack), join(path, 'home'), moto);
    const installed = await install(directory, agentRelease, library);
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }\n');
    writeFileSync(join(directory, 'app.mjs'), appOf(stack));
    if (!isBootstrapped) {
      await sh(`${cdk} bootstrap aws://${ACCOUNT}/${moto.region} --qualifier ${QUALIFIER}`, home);
    }
    isBootstrapped = true;

    const isDeployed = sh(`${cdk} deploy --app 'node app.mjs' --require-approval never ${context}`);
    const template = () =>
      JSON.parse(readFileSync(join(directory, `cdk.out/${stack}.template.json`), 'utf8'));
    await account.answerCustomResources(stack, isDeployed, template);
    assert.match(await isDeployed, new RegExp(`✅ {2}${stack}\n`));

    const resources = await account.resources(stack);
    const nameOf = (type: string, prefix: string) =>
      resources.find((one) => one.type === type && one.id.startsWith(prefix))?.name ?? `no ${prefix}`;
    const policies = await account.policiesOf(nameOf('AWS::IAM::Role', 'Hosts'));
    const bucket = nameOf('AWS::S3::Bucket', 'PemfleetBucket');
    await liveAsHost(t, { bucket, policies, installed });
  });
}

/** A host of the fleet with these policies and this agent: it installs what is published and reports; all else is denied. */
async function liveAsHost(
  t: TestContext,
  { bucket, policies, installed }: { bucket: string; policies: object[]; installed: string },
) {
  const aws = await startBench(t, { accountId: ACCOUNT, region: moto.region });
  aws.s3.createBucket(bucket);
  t.after(setEnv(aws.administrator.env));
  const published = publisher(await openBucket(`s3://${bucket}`), await createPki());
  const pem = await published.publish('shop', { names: ['shop.test'] });
  const { env } = aws.principal({ name: INSTANCE, role: aws.role({ name: 'Hosts', policies }) });
  const dir = tempDir(t);
  mkdirSync(join(dir, 'certs'));
  const url = `s3://${bucket}?region=${moto.region}&writer=${INSTANCE}`;
  const words = [
    ...['sync', '--bucket', url, '--fleet', fleet, '--host', INSTANCE, '--certs-dir', join(dir, 'certs')],
    ...['--state-dir', join(dir, 'state'), '--stats-socket', join(dir, 'none.sock'), '--handshake', ''],
  ];
  const agent = join(installed, 'dist/agent/pemfleet-agent.cjs');

  const { stderr } = await run(process.execPath, [agent, ...words], {
    env: { PATH: process.env['PATH'], ...env },
  }).catch((error) => error);

  const files = readdirSync(join(dir, 'certs')).filter((name) => name.endsWith('.pem'));
  assert.deepEqual(files, ['shop.pem'], stderr);
  assert.equal(readFileSync(join(dir, 'certs/shop.pem'), 'utf8'), pem);
  const own = layout.status(fleet, hostName.parse(INSTANCE));
  assert.ok(aws.s3.keys(bucket).includes(own), stderr);

  const client = await openWithoutSdk(url, env);
  const asked = async (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: unknown) => codeOf(error),
    );
  const before = aws.s3.keys(bucket);
  for (const key of [
    layout.root(fleet),
    layout.status(fleet, hostName.parse('i-0bbbbbbbbbbbbbbb2')),
    layout.agentRelease,
    'issuer/tombstones/x.json',
    own.replace(`/${fleet}/`, '/other/'),
  ]) {
    assert.equal(await asked(client.put(key, '{}')), 'ERR_BUCKET_DENIED', key);
  }
  for (const key of ['published/other/root.json', 'issuer/signing.json', own]) {
    assert.equal(await asked(client.get(key)), 'ERR_BUCKET_DENIED', key);
  }
  assert.deepEqual(aws.s3.keys(bucket), before);
}
