/** `import … from 'pemfleet'` gives an app the bundle, which finds the programs beside it, and its type declarations. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as source from '../../cdk/index.ts';
import { tempDir } from '../support/temp-dir.ts';
import { install, LOWEST_CDK, stripTypes } from './packed.ts';
import { agentRelease, http01 } from './stacks.ts';

type Package = typeof source;

function templateOf({ PemfleetStack, pemfleetConfigOf }: Package): object {
  const app = new App({ builtinCloudFormationValidation: false });
  return Template.fromStack(
    new PemfleetStack(app, 'Pemfleet', { pemfleet: { config: pemfleetConfigOf(http01) } }),
  ).toJSON();
}

test('package: exports what cdk/index.ts exports, and it makes the same template', async () => {
  const name = 'pemfleet';
  const built: Package = await import(name);

  assert.deepEqual(Object.keys(built).sort(), Object.keys(source).sort());
  assert.deepEqual(templateOf(built), templateOf(source));
});

const run = promisify(execFile);

test('package: npm pack takes the digests of the release along, and nothing else of it, nor what marks a checkout', async (t) => {
  const path = tempDir(t);
  const tarball = 'pemfleet-agent-0.1.0-linux-x64.tar.gz';
  mkdirSync(join(path, 'dist/release'), { recursive: true });
  for (const name of ['package-lock.json', 'dist/release/SHA256SUMS', `dist/release/${tarball}`]) {
    writeFileSync(join(path, name), '');
  }
  copyFileSync('package.json', join(path, 'package.json'));

  const { stdout } = await run('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], { cwd: path });

  const [packed]: { files: { path: string }[] }[] = JSON.parse(stdout);
  assert.deepEqual(packed?.files.map((file) => file.path).sort(), [
    'dist/release/SHA256SUMS',
    'package.json',
  ]);
});

/** A consumer's app: it has aws-cdk-lib, constructs and a compiler, and of this repository only the package. */
const APP = `import { App } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { PemfleetConfig, type PemfleetProps, PemfleetStack } from 'pemfleet';

const config = PemfleetConfig.of({
  acme: { directoryUrl: 'letsencrypt', termsOfServiceAgreed: true },
  challenge: 'http-01',
  certificates: [{ identifiers: ['www.example.com'] }],
});
const agentRelease = '${agentRelease}';
const pemfleet: PemfleetProps = { config, agentRelease, alarmEmails: ['ops@example.com'] };
const app = new App({ outdir: 'cdk.out', builtinCloudFormationValidation: false });
const stack = new PemfleetStack(app, 'Pemfleet', { pemfleet });
const hosts = new Role(stack, 'Hosts', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
stack.pemfleet.grantAgent(hosts, 'default', { status: 'own' });
// @ts-expect-error a mistyped key is found by the editor already
const mistyped = () => PemfleetConfig.of({ acme: { directoryUrl: 'letsencrypt', termsOfServiceAgreed: true }, certificats: [] });
if (process.argv[2] === 'mistyped') mistyped();
// @ts-expect-error there is no such right: the declarations are no mere any
stack.pemfleet.grantAgent(hosts, 'default', { status: 'mine' });
console.log(stack.pemfleet.userData('default').render().length > 1000, app.synth().stacks.length);
`;

test('package: an app in TypeScript compiles against the packed tarball and synthesizes', async (t) => {
  const path = tempDir(t);
  const installed = await install(path, agentRelease);
  writeFileSync(join(path, 'package.json'), '{ "type": "module" }\n');
  writeFileSync(join(path, 'app.ts'), APP);
  const tsc = realpathSync('node_modules/typescript/bin/tsc');

  // aws-cdk-lib's own declarations take half a minute; build-types.ts checks that ours import nothing that does not ship.
  const flags = [
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--types',
    'node',
  ];
  copyFileSync(FLEET, join(path, 'fleet.ts'));
  await run(process.execPath, [tsc, ...flags, 'app.ts', 'fleet.ts'], { cwd: path });
  const { stdout } = await run(process.execPath, ['app.js'], { cwd: path });

  assert.equal(stdout, 'true 1\n');
  const mistake = spawnSync(process.execPath, ['app.js', 'mistyped'], { cwd: path, encoding: 'utf8' });
  assert.match(mistake.stderr, /pemfleet\.yaml was refused:\n/);
  assert.ok(
    mistake.stderr.split('\n').every((line) => line.length < 300),
    'minified source stands above the error',
  );

  const { Resources } = JSON.parse(readFileSync(join(path, 'cdk.out/Pemfleet.template.json'), 'utf8'));
  const types = Object.values<{ Type: string }>(Resources).map(({ Type }) => Type);
  // Issuer, responder, and the one that publishes the agent for the hosts.
  assert.equal(types.filter((type) => type === 'AWS::Lambda::Function').length, 3);
  assert.deepEqual(readdirSync(join(installed, 'dist')).sort(), [
    ...['agent', 'agent-release', 'cdk', 'cli', 'issuer', 'issuer-commands', 'release', 'responder', 'types'],
  ]);
  await checkFleet(path, 'fleet.js');
});

test('package: an app with the lowest aws-cdk-lib that is allowed synthesizes the same, hosts granted', async (t) => {
  const path = tempDir(t);
  const { version } = JSON.parse(readFileSync(join('node_modules', LOWEST_CDK, 'package.json'), 'utf8'));
  const { peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  assert.equal(peerDependencies['aws-cdk-lib'], `^${version}`);
  await install(path, agentRelease, LOWEST_CDK);
  writeFileSync(join(path, 'package.json'), '{ "type": "module" }\n');
  writeFileSync(join(path, 'app.mjs'), stripTypes(APP));

  const { stdout } = await run(process.execPath, ['app.mjs'], { cwd: path });

  assert.equal(stdout, 'true 1\n');
  const { Resources } = JSON.parse(readFileSync(join(path, 'cdk.out/Pemfleet.template.json'), 'utf8'));
  const all = Object.values<{ Type: string; Properties: Record<string, unknown>; DeletionPolicy?: string }>(
    Resources,
  );
  const runtimes = all.flatMap(({ Properties: { Runtime } }) => Runtime ?? []);
  assert.deepEqual(new Set(runtimes), new Set(['nodejs24.x']));
  const allowed = all
    .filter(({ Type }) => Type === 'AWS::Lambda::Permission')
    .map(({ Properties }) => Properties['Action']);
  assert.deepEqual(allowed.sort(), ['lambda:InvokeFunction', 'lambda:InvokeFunctionUrl']);
  const bucket = all.find(({ Type }) => Type === 'AWS::S3::Bucket');
  assert.equal(bucket?.DeletionPolicy, 'RetainExceptOnCreate');
  writeFileSync(join(path, 'fleet.mjs'), stripTypes(readFileSync(FLEET, 'utf8')));
  await checkFleet(path, 'fleet.mjs');
});

/** The example that docs/examples.md has for AWS. */
const FLEET = 'docs/examples/aws-fleet/app.ts';

/** Its hosts stand behind a balancer with the PROXY protocol, have the agent's rights, and prove on a bind that expects the header. */
async function checkFleet(path: string, program: string): Promise<void> {
  const context = { agentRelease, ami: 'ami-0fedcba9876543210' };
  const env = { ...process.env, CDK_OUTDIR: 'fleet.out', CDK_CONTEXT_JSON: JSON.stringify(context) };
  await run(process.execPath, [program], { cwd: path, env });
  const template = Template.fromJSON(
    JSON.parse(readFileSync(join(path, 'fleet.out/Pemfleet.template.json'), 'utf8')),
  );

  const targets = Object.values(template.findResources('AWS::ElasticLoadBalancingV2::TargetGroup'));
  assert.equal(targets.length, 2);
  for (const { Properties } of targets) {
    const attributes: { Key: string; Value: string }[] = Properties.TargetGroupAttributes;
    assert.equal(attributes.find(({ Key }) => Key === 'proxy_protocol_v2.enabled')?.Value, 'true');
  }
  template.hasResourceProperties('AWS::ElasticLoadBalancingV2::LoadBalancer', { Type: 'network' });
  const [launch] = Object.values(template.findResources('AWS::EC2::LaunchTemplate'));
  assert.match(JSON.stringify(launch?.['Properties']), /proxy@127\.0\.0\.1:443/);
  assert.match(JSON.stringify(launch?.['Properties']), /ami-0fedcba9876543210/);
  const [group] = Object.values(template.findResources('AWS::AutoScaling::AutoScalingGroup'));
  const tags: { Key: string; PropagateAtLaunch: boolean }[] = group?.['Properties'].Tags;
  assert.equal(tags.find(({ Key }) => Key === 'pemfleet:fleet')?.PropagateAtLaunch, true);
  template.hasResourceProperties('AWS::EC2::SecurityGroupIngress', { FromPort: 443, ToPort: 443 });
}
