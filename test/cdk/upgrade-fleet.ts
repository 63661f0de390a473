/** A fleet of three in the stand-in of AWS, whose hosts the stack's own document upgrades by its scripts, under the role of the template. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Template } from 'aws-cdk-lib/assertions';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { hostName, layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { publishAgentRelease } from '../../lambda/agents/publish-release.ts';
import { upgradeAgents, wavesOf } from '../../lambda/agents/upgrade.ts';
import { UpgradeCommand } from '../../lambda/agents/upgrade-command.ts';
import { isReadable, listStatuses, type ReadStatus, readHostStatus } from '../../lambda/fleet/read-status.ts';
import type { Aws } from '../aws/aws.ts';
import { allow, startBench } from '../aws/clients.ts';
import { startImds } from '../aws/imds.ts';
import { fleet } from '../support/agent/host.ts';
import { setEnv } from '../support/env.ts';
import { tempDir } from '../support/temp-dir.ts';
import { deployed } from './deployed.ts';
import { operatorPolicy } from './operator.ts';
import { small, stackOf } from './stacks.ts';

export const HOSTS = ['i-0aaaaaaaaaaaaaaa1', 'i-0aaaaaaaaaaaaaaa2', 'i-0aaaaaaaaaaaaaaa3'];
export const BROKEN = '0.3.0-broken';

const { stack } = stackOf({
  ...small,
  certificates: [{ identifiers: ['www.example.com'], fleets: [fleet] }],
});
stack.pemfleet.grantAgent(
  new Role(stack, 'Hosts', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') }),
  fleet,
);
export const template = deployed({ template: Template.fromStack(stack) });
export const bucketName = template.name('PemfleetBucket');
export const documentName = template.name('PemfleetUpgradeDocument');

/** What runs on the hosts. systemd is not here, unless a test brings a stub of it. */
export interface FleetAgents {
  /** A release's `pemfleet-agent`. */
  program(version: string): string;
  /** Called whenever something may have happened. */
  pass(host: FleetInstance): Promise<void>;
  /** The scripts of a release, in its unpacked folder. */
  adapt?(folder: string): void;
  /** What commands find on a host beside its own environment. */
  envOf?(name: string): Record<string, string>;
}

export interface FleetInstance {
  name: string;
  /** Where it is installed. */
  tree: string;
  /** Of its programs. */
  env: Record<string, string>;
  aws: Aws;
}

/** A program that knows its version and nothing else; the test reports in its place. */
const standIns: FleetAgents = {
  program: (version) => `#!/bin/sh\necho ${version}\n`,
  pass: async ({ aws, name, tree }) => {
    aws.s3.write(bucketName, layout.status(fleet, hostName.parse(name)), statusAt(name, versionIn(tree)));
  },
};

export async function startFleet(t: TestContext, version: string, agents = standIns) {
  const aws = await startBench(t);
  aws.s3.createBucket(bucketName);
  const content = template.properties('PemfleetUpgradeDocument')['Content'];
  aws.ssm.createDocument(documentName, JSON.stringify(content));
  const role = aws.role({ name: 'hosts', policies: template.policiesOf('Hosts') });
  const hosts: FleetInstance[] = [];
  for (const name of HOSTS) {
    const principal = aws.principal({ name, role });
    const imds = await startImds({ principal: () => principal, instanceId: name });
    t.after(imds.stop);
    const tree = tempDir(t);
    install(unpacked(t, version, agents), tree);
    const env = { AWS_ENDPOINT_URL: aws.endpoint, ...imds.env };
    aws.ssm.host({
      instanceId: name,
      tags: { 'pemfleet:fleet': `Pemfleet/${fleet}` },
      cwd: tree,
      env: { DESTDIR: tree, ...env, ...agents.envOf?.(name) },
    });
    hosts.push({ name, tree, env, aws });
  }
  // As docs/iam.md says of operators.
  const operator = aws.principal({
    name: 'operator',
    policies: [
      allow(['s3:GetObject', 's3:ListBucket'], '*'),
      operatorPolicy({ document: documentName, tag: `Pemfleet/${fleet}`, bucket: bucketName }),
    ],
  });
  t.after(setEnv(operator.env));
  const bucket = await openBucket(`s3://${bucketName}`);
  const publish = (next: string) => release(t, aws, next, agents);
  await publish(version);
  const report = async () => {
    await aws.ssm.settled();
    await Promise.all(hosts.map((host) => agents.pass(host)));
  };
  await report();
  const statuses = async () => {
    const all = await Promise.all(
      (await listStatuses(bucket, fleet)).map((entry) => readHostStatus(bucket, entry)),
    );
    return all.filter((status): status is ReadStatus => status !== undefined && isReadable(status));
  };
  const command = new UpgradeCommand(documentName);
  let clockMs = Date.now();
  /** @param onSent after each wave's command */
  const upgrade = async (wanted: string, onSent = () => undefined as unknown) =>
    upgradeAgents(
      { release: wanted, waves: wavesOf(await statuses(), 1), timeoutMs: 900_000 },
      {
        send: async (what, hosts) => {
          const id = await command.send(what, hosts);
          onSent();
          return id;
        },
        endsOf: (id) => command.endsOf(id),
        statusOf: async (host) => (await statuses()).find((status) => status.host === host),
        now: () => new Date(clockMs),
        sleep: async (ms) => {
          clockMs += ms;
          await report();
        },
        onState: () => undefined,
      },
    );
  const versions = () => hosts.map(({ tree }) => versionIn(tree));
  const config = join(tempDir(t), 'pemfleet.json');
  const certificates = [{ identifiers: ['www.example.com'], fleets: [fleet] }];
  writeFileSync(config, JSON.stringify({ ...small, certificates, bucket: `s3://${bucketName}` }));
  const cliEnv = {
    PATH: process.env['PATH'],
    ...operator.env,
    AWS_ENDPOINT_URL: aws.endpoint,
    PEMFLEET_UPGRADE_DOCUMENT: documentName,
  };
  /** `pemfleet … --config`, as an operator types it, while the hosts go on. */
  const pemfleet = async (...words: string[]) => {
    const program = resolve('dist/cli/index.mjs');
    const child = spawn(process.execPath, [program, ...words, '--config', config], { env: cliEnv });
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (text) => {
      said.stdout += text;
    });
    child.stderr.on('data', (text) => {
      said.stderr += text;
    });
    let status: number | null | undefined;
    child.on('close', (code) => {
      status = code;
    });
    while (status === undefined) {
      await sleep(500);
      await report();
    }
    return { status, ...said };
  };
  return { aws, bucket, operator, hosts, statuses, upgrade, versions, publish, pemfleet };
}

let reports = 0;

export function statusAt(host: string, version: string): string {
  reports += 1;
  const at = new Date(Date.now() + reports).toISOString();
  const file = { file: 'www.example.com.pem', certificate: 'www.example.com', since: at };
  const wanted = { sha256: '0'.repeat(64), serial: '01' };
  const state =
    version === BROKEN
      ? { state: 'failed', error: { code: 'ERR_RUNTIME_REFUSED', message: 'refused' } }
      : { state: 'served', provenAt: at };
  const agent = { version };
  return JSON.stringify({
    ...{ version: 1, fleet, host, reportedAt: at, agent, contract: 2, haproxy: [] },
    files: [{ ...file, wanted, ...state }],
  });
}

/** A release as `npm run release` leaves it, whose program knows its version. @returns the pointer */
async function release(t: TestContext, aws: Aws, version: string, agents: FleetAgents) {
  const folder = tempDir(t);
  const sums = ['x64', 'arm64'].map((arch) => {
    const name = `pemfleet-agent-${version}-linux-${arch}`;
    cpSync(unpacked(t, version, agents), join(folder, name), { recursive: true });
    execFileSync('tar', ['-czf', join(folder, `${name}.tar.gz`), '-C', folder, name]);
    const body = readFileSync(join(folder, `${name}.tar.gz`));
    return `${createHash('sha256').update(body).digest('hex')}  ${name}.tar.gz\n`;
  });
  writeFileSync(join(folder, 'SHA256SUMS'), sums.join(''));
  return publishAgentRelease(await openWithoutSdk(`s3://${bucketName}`, aws.administrator.env), folder);
}

export function unpacked(t: TestContext, version: string, agents = standIns): string {
  const folder = join(tempDir(t), 'release');
  mkdirSync(folder);
  cpSync('agent/host', folder, { recursive: true });
  writeFileSync(join(folder, 'pemfleet-agent'), agents.program(version), { mode: 0o755 });
  agents.adapt?.(folder);
  return folder;
}

export function install(folder: string, tree: string, ...args: string[]): void {
  execFileSync('sh', [join(folder, 'install.sh'), ...args], {
    env: { PATH: process.env['PATH'], DESTDIR: tree },
    stdio: 'pipe',
  });
}

export function versionIn(tree: string): string {
  const program = join(tree, 'usr/bin/pemfleet-agent');
  if (!existsSync(program)) return 'none';
  return execFileSync(program, ['version'], { encoding: 'utf8' }).trim().split(' ').at(-1) ?? '';
}
