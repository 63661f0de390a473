// An instance of a fleet on AWS: the construct's user data and role, the agent's release in the bucket, S3 and the metadata
// service as stand-ins, and a Debian with HAProxy that knows neither. What is told to it of the stand-ins is an environment.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { serializeKeys } from '#contract/key-chain.ts';
import { layout } from '#contract/layout.ts';
import { serializeAnnouncedTrust } from '#contract/trust.ts';
import { openBucket } from '#storage/open.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { publishAgentRelease } from '../../lambda/agents/publish-release.ts';
import { type Aws, type Principal, startAws } from '../aws/aws.ts';
import { type Imds, startImds } from '../aws/imds.ts';
import { deployHost } from '../cdk/cloud-init.ts';
import { fleet } from '../support/agent/host.ts';
import { publisher, stageLineage, stageSigner } from '../support/agent/publish.ts';
import { setEnv } from '../support/env.ts';
import { type Handshake, handshake } from '../support/handshake.ts';
import { type Machine, makeMachine } from '../support/parts/machine.ts';
import { createPki, type LeafOptions } from '../support/parts/pki.ts';
import { freePort } from '../support/ports.ts';
import { type Keep, startTogether } from '../support/together.ts';

export const INSTANCE = 'i-0aaaaaaaaaaaaaaaa';
export const release = resolve('dist/release');

export interface Cloud {
  aws: Aws;
  imds: Imds;
  /** as the instance's role */
  principal: Principal;
  machine: Machine;
  cloudInit: string;
  /** as its unit starts it */
  installCommand: readonly string[];
  /** Issues and publishes; the PEM is returned. */
  publish(name: string, leaf: LeafOptions): Promise<string>;
  handshake(servername: string): Promise<Handshake>;
  stop(): Promise<void>;
}

export const startCloud = (): Promise<Cloud> => startTogether(startInstance);

async function startInstance(keep: Keep): Promise<Omit<Cloud, 'stop'>> {
  const { cloudInit, policies } = deployHost({}, { agentRelease: release });
  const aws = await startAws();
  keep(aws.stop);
  const { bucket, installCommand } = fillBucket(aws, cloudInit);
  const role = aws.role({ name: 'hosts', policies });
  const principal = aws.principal({ name: INSTANCE, role });
  const imds = await startImds({ principal: () => principal, instanceId: INSTANCE });
  keep(imds.stop);
  const machine = await makeMachine({ cloud: { instanceId: INSTANCE, userData: cloudInit } });
  keep(machine.remove);
  const httpsPort = await freePort();
  installHaproxy(machine, await freePort(), httpsPort);
  const endpoints = { AWS_ENDPOINT_URL: aws.endpoint, ...imds.env };
  tell(machine, ['pemfleet-install.service'], endpoints);
  const agents = ['pemfleet-agent.service', 'pemfleet-agent-first.service'];
  tell(machine, agents, { ...endpoints, PEMFLEET_AGENT_HANDSHAKE: `127.0.0.1:${httpsPort}` });
  keep(setEnv(aws.administrator.env));
  const published = await openBucket(bucket);
  await publishAgentRelease(await openWithoutSdk(bucket, aws.administrator.env), release);
  // As an issuer does before its first root, whether it has something to say or not.
  await published.put(layout.keys(fleet), serializeKeys([]));
  const { publish } = publisher(published, await createPki());
  return {
    ...{ aws, imds, principal, machine, cloudInit, installCommand, publish },
    handshake: (servername) => handshake({ port: httpsPort, servername }),
  };
}

function fillBucket(aws: Aws, cloudInit: string) {
  const { write_files: files } = parse(cloudInit) as { write_files: { path: string; content: string }[] };
  const contentOf = (path: string) => files.find((file) => file.path === path)?.content ?? '';
  const settings = contentOf('/etc/pemfleet/agent.yaml');
  const [, name = ''] = /bucket: "?s3:\/\/([^?]+)/.exec(settings) ?? [];
  aws.s3.createBucket(name);
  const { parameter } = parse(settings).trust;
  const trust = { lineage: stageLineage, key: stageSigner.key };
  aws.ssm.parameters.set(parameter.replace(/^.*:parameter/, ''), serializeAnnouncedTrust(trust));
  const unit = contentOf('/etc/systemd/system/pemfleet-install.service');
  const [, command = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? [];
  return { bucket: `s3://${name}?region=${aws.region}`, installCommand: command.split(' ') };
}

/** As an image brings it: the configuration that this project ships, and an empty directory for certificates. */
function installHaproxy(machine: Machine, httpPort: number, httpsPort: number): void {
  const environment = {
    PEMFLEET_HTTP_BIND: `127.0.0.1:${httpPort}`,
    PEMFLEET_HTTPS_BIND: `127.0.0.1:${httpsPort}`,
  };
  machine.write('etc/haproxy/haproxy.cfg', readFileSync('agent/host/haproxy.cfg', 'utf8'));
  machine.write('etc/default/haproxy', linesOf(environment, ''));
  machine.write('etc/haproxy/certs/.keep', '');
}

function tell(machine: Machine, units: readonly string[], environment: Record<string, string>): void {
  const text = `[Service]\n${linesOf(environment, 'Environment=')}`;
  for (const unit of units) machine.write(`etc/systemd/system/${unit}.d/stand-ins.conf`, text);
}

const linesOf = (environment: Record<string, string>, prefix: string) =>
  Object.entries(environment)
    .map(([name, value]) => `${prefix}${name}=${value}\n`)
    .join('');
