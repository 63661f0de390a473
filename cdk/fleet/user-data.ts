/** The cloud-init text of a host: it fetches the agent with the instance's own role, checks its digest and starts it. */
import { Stack } from 'aws-cdk-lib';
import { stringify } from 'yaml';
import type { FleetName } from '#contract/layout.ts';
import { type AgentRelease, hostFile } from './agent-release.ts';

/** Options of the agent that user data installs. */
export interface AgentOptions {
  /**
   * Further settings of the agent (docs/agent-settings.md), for example `{ haproxy: { handshake: ['10.0.0.1:443'] } }`.
   *
   * @default - the agent's own defaults
   */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** @internal */
export interface AgentHost extends AgentOptions {
  readonly releases: readonly AgentRelease[];
  readonly bucket: string;
  readonly region: string;
  readonly fleet: FleetName;
  /** ARN of the SSM parameter with the key that hosts trust. */
  readonly trustParameter: string;
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
 * The status is named after the instance id, because the next instance may get the same host name. `writer` repeats it with each
 * write, because the role may write this status only.
 */
function agentSettings({ bucket, fleet, trustParameter, settings = {} }: AgentHost): string {
  const { host = '{{ v1.instance_id }}' } = settings;
  const trust = { parameter: trustParameter };
  return asYaml({ bucket: `${bucket}&writer=${host}`, fleet, host, trust, ...settings });
}

/** Does not fold lines: a CloudFormation token must stay in one piece. */
function asYaml(document: object): string {
  return stringify(document, { lineWidth: 0 });
}
