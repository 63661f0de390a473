/** A fleet on AWS: stand-in, CA, one HAProxy host with its agent, and the document that Run Command runs there; each program with a role of its own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Aws, type Principal, startAws } from '../aws/aws.ts';
import { type Haproxy, startHaproxy } from '../support/parts/haproxy.ts';
import { startPebble } from '../support/parts/pebble.ts';
import { freePort } from '../support/ports.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { hostPolicies, issuerPolicies } from './aws-roles.ts';
import { type Invocation, invoke } from './invoke.ts';
import { acmeOf, agentConfigOf } from './stage.ts';

export const BUCKET = 'certs';
const HOST = 'lb1';
const INSTANCE = 'i-0aaaaaaaaaaaaaaaa';
const DOCUMENT = 'pemfleet-sync';
/** The CA asks by HTTP-01 for this one. */
const WEB = { name: 'web.example.test', type: 'A', ttl: 60, values: ['127.0.0.1'] };

export const program = (name: string) =>
  fileURLToPath(new URL(`../../dist/${name}/index.mjs`, import.meta.url));

export interface AwsStage {
  aws: Aws;
  haproxy: Haproxy;
  issuer: Principal;
  host: Principal;
  zoneId: string;
  /** host:port; nobody listens there yet */
  responderAddress: string;
  /** pemfleet.yaml as JSON */
  configFile: string;
  agentFile: string;
  configure(certificates: object[], challenge: object): void;
  /** One invocation of the issuer. */
  pass(principal?: Principal): Promise<Invocation>;
  stop(): Promise<void>;
}

export async function startAwsStage(): Promise<AwsStage> {
  const temp = makeTempDir();
  const stops: (() => Promise<void> | void)[] = [temp.remove];
  const stop = async () => {
    for (const end of stops) await end();
  };
  try {
    const aws = await startAws();
    stops.unshift(aws.stop);
    aws.s3.createBucket(BUCKET);
    const responderAddress = `127.0.0.1:${await freePort()}`;
    const haproxy = await startHaproxy({ version: '3.2', env: { PEMFLEET_RESPONDER: responderAddress } });
    stops.unshift(haproxy.stop);
    const pebble = await startPebble({ dnsServer: aws.dns.address, httpPort: haproxy.httpPort });
    stops.unshift(pebble.stop);
    const [configFile, agentFile] = [join(temp.path, 'pemfleet.json'), join(temp.path, 'agent.yaml')];
    const issuer = aws.principal({ name: 'issuer', policies: issuerPolicies(BUCKET, aws.accountId) });
    const host = aws.principal({ name: HOST, policies: hostPolicies(BUCKET, 'default', HOST) });
    enrol({ aws, haproxy, host }, temp.path, agentFile);
    return {
      ...{ aws, haproxy, issuer, host, responderAddress, configFile, agentFile, stop },
      zoneId: aws.route53.createZone({ name: 'example.test', records: [WEB] }),
      configure: (certificates, challenge) => {
        const document = { bucket: `s3://${BUCKET}`, acme: acmeOf(pebble), certificates, ...challenge };
        writeFileSync(configFile, JSON.stringify(document));
      },
      pass: (principal = issuer) => {
        const env = { PEMFLEET_CONFIG: configFile, PEMFLEET_NOTIFY_DOCUMENT: DOCUMENT };
        return invoke('issuer', { ...principal.env, ...env }, { event: { source: 'aws.scheduler' } });
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A host of the fleet with its agent, and the document that Run Command runs there. */
function enrol(
  { aws, haproxy, host }: { aws: Aws; haproxy: Haproxy; host: Principal },
  dir: string,
  agentFile: string,
): void {
  const config = agentConfigOf(haproxy, dir, { bucket: `s3://${BUCKET}`, host: HOST });
  writeFileSync(agentFile, JSON.stringify(config));
  aws.ssm.createDocument(DOCUMENT, documentOf(agentFile));
  const env = { ...host.env, PATH: process.env['PATH'] ?? '' };
  aws.ssm.host({ instanceId: INSTANCE, tags: { 'pemfleet:fleet': 'default' }, cwd: dir, env });
}

function documentOf(agentFile: string): string {
  const runCommand = [`exec "${process.execPath}" "${program('agent')}" sync --config "${agentFile}"`];
  const pattern = (allowedPattern: string) => ({
    ...{ type: 'String', interpolationType: 'ENV_VAR', allowedPattern },
  });
  return JSON.stringify({
    schemaVersion: '2.2',
    parameters: {
      fleet: pattern('^[a-z0-9_][a-z0-9._-]{0,62}$'),
      manifest: pattern('^[A-Za-z0-9"_.-]{1,80}$'),
    },
    mainSteps: [{ action: 'aws:runShellScript', name: 'sync', inputs: { runCommand } }],
  });
}
