/** The cloud-init text of a host: it fetches the agent with the instance's own role, checks its digest and starts it. It names no release. */
import { stringify } from 'yaml';
import type { FleetName } from '#contract/layout.ts';
import { hostFile } from './agent-release.ts';

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
  readonly bucket: string;
  /** Where the bucket's objects are fetched from. */
  readonly bucketUrl: string;
  readonly region: string;
  readonly fleet: FleetName;
  /** ARN of the SSM parameter with the key that hosts trust. */
  readonly trustParameter: string;
}

/** @internal */
export function agentCloudConfig(host: AgentHost): string {
  const unit = hostFile('pemfleet-install.service')
    .replace('@BUCKET@', host.bucketUrl)
    .replace('@REGION@', host.region);
  const document = {
    write_files: [
      { path: '/etc/pemfleet/agent.yaml', content: agentSettings(host) },
      { path: '/usr/lib/pemfleet/fetch-agent.py', content: hostFile('fetch-agent.py') },
      { path: '/usr/lib/pemfleet/install-agent.sh', content: hostFile('install-agent.sh') },
      { path: '/etc/systemd/system/pemfleet-install.service', content: unit },
    ],
    // The unit tries until it is done; runcmd itself runs once in the life of an instance.
    runcmd: [
      ['systemctl', 'daemon-reload'],
      ['systemctl', 'enable', '--now', 'pemfleet-install.service'],
    ],
  };
  return `## template: jinja\n#cloud-config\n${asYaml(document)}`;
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
