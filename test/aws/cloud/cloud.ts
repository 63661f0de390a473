// The whole on AWS, on one machine: stack synthesized and deployed into the stand-ins, CA, one HAProxy host with its agent. Programs are
// started from the assets of cdk.out, in the environment of the template, with the roles of the template, which are enforced.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PebbleOptions } from '../../support/parts/pebble.ts';
import { type Part, until } from '../../support/process.ts';
import { request } from '../../support/request.ts';
import type { Aws } from '../aws.ts';
import type { Invocation } from '../lambda/function.ts';
import { BOUNDARY, FLEET, FOREIGN_ACCOUNT, type Synthesized, synthesizeApp } from './app.ts';
import { type Deployment, deploy } from './deploy.ts';
import {
  type CloudConfig,
  documentOf,
  EXTERNAL_ID,
  FOREIGN_NAME,
  type Ground,
  type Stops,
  settingsOf,
  startGround,
} from './ground.ts';
import { type FleetHost, INSTANCE, startHost } from './host.ts';
import { createSchedule, type Schedule } from './schedule.ts';

export interface CloudOptions {
  /** of the functions, in place of the template's */
  timeoutMs?: number;
  /** of the CA; whether its certificates name an OCSP responder */
  ca?: PebbleOptions & { hasOcsp?: boolean };
  /** Told when a part is up. */
  onPart?: (name: string, where: string) => void;
  /** The functions' logs, as they come. */
  onLog?: (functionId: string, line: string) => void;
}

export interface Cloud extends Schedule, Ground {
  host: FleetHost;
  agent: Part;
  /** the stack as it was deployed last */
  deployment(): Deployment;
  app(): Synthesized;
  /** the stack's */
  bucket: string;
  /** `cdk deploy` of a pemfleet.yaml that has changed. */
  update(config: CloudConfig, options?: Pick<CloudOptions, 'timeoutMs'>): Promise<void>;
  /** The schedule wakes the issuer. @throws Error unless the pass was green */
  pass(): Promise<Invocation>;
  stop(): Promise<void>;
}

/** @param config the first deployment has a responder: `http-01` */
export async function startCloud(config: CloudConfig, options: CloudOptions = {}): Promise<Cloud> {
  const stops: Stops = [];
  const stop = async () => {
    const failures: unknown[] = [];
    // A part that fails to end keeps no other from it.
    for (const end of stops.splice(0).reverse()) {
      await Promise.resolve()
        .then(end)
        .catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  };
  try {
    const ground = await startGround(stops, options.onPart, options.ca);
    let current = await bring(ground, config, options);
    stops.push(() => current.deployment.stop());
    const host = await startInstance(ground, current);
    stops.push(host.stop);
    const agent = await host.firstBoot(current.app.userData);
    options.onPart?.('HAProxy 3.2', `http 127.0.0.1:${ground.httpPort}, https 127.0.0.1:${ground.httpsPort}`);
    const schedule = createSchedule(ground.aws, () => current.deployment);
    return {
      ...{ ...ground, ...schedule, host, agent, stop },
      ...{ deployment: () => current.deployment, app: () => current.app },
      bucket: current.app.template.name('PemfleetBucket'),
      update: async (changed, more = {}) => {
        await current.deployment.stop();
        current = await bring(ground, changed, { ...options, ...more });
      },
      pass: async () => green(await schedule.wake()),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function green(invocation: Invocation | undefined): Invocation {
  if (invocation?.status === 200 && invocation.functionError === undefined) return invocation;
  throw new Error(`the pass was red: ${invocation?.payload}\n${invocation?.log.join('\n')}`);
}

interface Brought {
  app: Synthesized;
  deployment: Deployment;
}

/** `cdk synth` and `cdk deploy`. */
async function bring(ground: Ground, config: CloudConfig, options: CloudOptions): Promise<Brought> {
  const { aws, pki, zones, urlPort } = ground;
  const app = synthesizeApp({
    document: documentOf(ground, config),
    settings: settingsOf(ground),
    foreignZone: { hostedZoneId: zones.foreign, identifiers: [FOREIGN_NAME], externalId: EXTERNAL_ID },
  });
  deployZones(aws, app);
  const { timeoutMs, onLog } = options;
  const deployment = await deploy({
    ...{ aws, template: app.template, outdir: app.outdir, timeoutMs, onLog, urlPort },
    boundaries: { [BOUNDARY.arn]: BOUNDARY.document },
    certificateFor: async (name) => {
      const { leafPem, chainPem, keyPem } = await pki.issue({ names: [name] });
      return { chain: [leafPem, ...chainPem].join(''), key: keyPem };
    },
  });
  options.onPart?.('stack deployed', `challenge ${config.challenge}, ${deployment.roles.size} roles`);
  return { app, deployment };
}

/** The role of the other account. */
function deployZones(aws: Aws, { zones }: Synthesized): void {
  for (const id of zones.all('AWS::IAM::Role')) {
    const { AssumeRolePolicyDocument: trust } = zones.properties(id);
    const [name, policies] = [zones.name(id), zones.policiesOf(id)];
    aws.role({ name, policies, trust: trust as object, accountId: FOREIGN_ACCOUNT });
  }
}

async function startInstance(ground: Ground, { app, deployment }: Brought): Promise<FleetHost> {
  const { aws, pki, dir, haproxyDir, httpPort, httpsPort, urlPort } = ground;
  const [responder = ''] = deployment.urls.keys();
  const caFile = join(dir, 'aws-ca.pem');
  writeFileSync(caFile, pki.rootPem);
  const principal = deployment.session('ec2.amazonaws.com', app.template.arn('Hosts'), INSTANCE);
  const host = await startHost({
    ...{ aws, dir, haproxyDir, principal, httpPort, httpsPort },
    tags: { 'pemfleet:fleet': `Pemfleet/${FLEET}` },
    haproxyConfig: app.haproxyConfig,
    replacements: {
      ':443 ssl crt /etc/haproxy/certs': `127.0.0.1:${httpsPort} ssl crt ${join(haproxyDir, 'certs')}`,
      [`${responder}:443`]: `${responder}:${urlPort}`,
      '@system-ca': caFile,
      // Lambda starts ten processes at once; a busy machine takes its time.
      'timeout queue 10s': 'timeout queue 60s',
      'parse-resolv-conf': `nameserver route53 ${aws.dns.address}`,
    },
  });
  // HAProxy knows the responder's address only when its resolver has answered.
  const nobodys = `http://127.0.0.1:${httpPort}/.well-known/acme-challenge/${'x'.repeat(43)}`;
  await until(
    async () => (await request(nobodys)).status === 404,
    () => undefined,
    60_000,
  );
  return host;
}
