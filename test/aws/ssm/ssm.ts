// SSM: documents, and Run Command, which really runs them on the hosts that a test has registered.
import type { Service } from '../wire.ts';
import { createCommands, type Host } from './commands.ts';
import { readDocument, runShellScript, type SsmDocument } from './documents.ts';
import { readSsm, type SsmPlace } from './operations.ts';
import { endGroup } from './run.ts';

export type Ssm = ReturnType<typeof createSsm>;

export interface HostOptions {
  /** `i-…` or `mi-…` */
  instanceId: string;
  tags?: Record<string, string>;
  /** where and with what environment its scripts run */
  cwd?: string;
  env?: Record<string, string>;
  isOnline?: boolean;
  isOldAgent?: boolean;
}

export function createSsm(place: SsmPlace) {
  const documents = new Map<string, SsmDocument>([[runShellScript.name, runShellScript]]);
  const versions = new Map<string, SsmDocument[]>();
  const hosts = new Map<string, Host>();
  const commands = createCommands(place.now);
  const parameters = new Map<string, string>();
  const ground = { ...place, documents, versions, hosts, commands, parameters };
  const service: Service = { protocol: 'json', read: (request) => readSsm(ground, request) };
  return {
    service,
    /** @returns what tells that it went away or came back */
    host({ cwd = '/', env = {}, tags = {}, isOnline = true, isOldAgent = false, instanceId }: HostOptions) {
      const host: Host = { instanceId, tags, cwd, env, isOnline, isOldAgent };
      hosts.set(instanceId, host);
      return {
        setOnline(isNowOnline: boolean): void {
          host.isOnline = isNowOnline;
          if (isNowOnline) commands.deliverWaiting();
        },
      };
    },
    /** Again, with other content: a new version. As in CloudFormation's `NewVersion`, the default version does not move by itself. */
    createDocument: (name: string, content: string) => {
      const document = readDocument(name, content, 'JSON', place.now());
      versions.set(name, [...(versions.get(name) ?? []), document]);
      if (!documents.has(name)) documents.set(name, document);
    },
    /** by name: `/pemfleet/trust` */
    parameters,
    /** newest last */
    commands: () => commands.all(),
    /** when no script runs any more */
    settled: commands.settled,
    async stop(): Promise<void> {
      for (const child of commands.running) endGroup(child);
      await commands.settled();
    },
  };
}
