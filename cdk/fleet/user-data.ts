/** The cloud-init text of a host: fetches the agent by its digest, with the instance's own role, and starts it. */
import { Stack } from 'aws-cdk-lib';
import { stringify } from 'yaml';
import type { FleetName } from '#contract/layout.ts';
import { type AgentRelease, hostFile } from './agent-release.ts';

export interface AgentOptions {
  /**
   * Further settings of the agent (docs/agent.md), such as `{ haproxy: { handshake: ['10.0.0.1:443'] } }`.
   *
   * @default - those of the agent
   */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** @internal */
export interface AgentHost extends AgentOptions {
  readonly releases: readonly AgentRelease[];
  readonly bucket: string;
  readonly region: string;
  readonly fleet: FleetName;
}

/** @internal */
export function agentCloudConfig(host: AgentHost): string {
  const { releases, region } = host;
  const choices = releases.flatMap((release) => [
    release.machine,
    addressOf(release, region),
    release.sha256,
  ]);
  const document = {
    write_files: [
      { path: '/etc/pemfleet/agent.yaml', content: agentSettings(host) },
      { path: '/usr/lib/pemfleet/fetch-agent.py', content: hostFile('fetch-agent.py') },
      { path: '/usr/lib/pemfleet/install-agent.sh', content: hostFile('install-agent.sh') },
    ],
    runcmd: [['sh', '/usr/lib/pemfleet/install-agent.sh', region, ...choices]],
  };
  return `## template: jinja\n#cloud-config\n${asYaml(document)}`;
}

function addressOf({ asset }: AgentRelease, region: string): string {
  return `https://${asset.s3BucketName}.s3.${region}.${Stack.of(asset).urlSuffix}/${asset.s3ObjectKey}`;
}

/**
 * Its status has the name of the instance, not a host name that the next instance may get again; and it says so with each write,
 * because its role may write this status only.
 */
function agentSettings({ bucket, fleet, settings = {} }: AgentHost): string {
  const { host = '{{ v1.instance_id }}' } = settings;
  return asYaml({ bucket: `${bucket}&writer=${host}`, fleet, host, ...settings });
}

/** No folding: a line with a token of CloudFormation is as long as it is. */
function asYaml(document: object): string {
  return stringify(document, { lineWidth: 0 });
}
