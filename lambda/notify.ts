/**
 * Tells the hosts of a fleet by SSM Run Command that there is something new. A courtesy: the hosts poll all the same, so
 * a failure here is told and no more.
 */
import { ListCommandsCommand, SendCommandCommand, SSMClient } from '@aws-sdk/client-ssm';
import type { FleetName } from '#contract/layout.ts';

export interface Notifier {
  /** @param manifest its ETag @returns the command's id */
  notify(fleet: FleetName, manifest: string): Promise<string>;
  /** Commands of `since` and later that have come to an end. */
  results(since: Date): Promise<CommandResult[]>;
}

export interface CommandResult {
  command: string;
  fleet: string;
  status: string;
  targets: number;
  errors: number;
  timedOut: number;
}

/** Hosts carry it with the fleet's name; the issuer's role may send to no others. */
export const FLEET_TAG = 'pemfleet:fleet';
/** A tenth of the fleet at a time; no host's trouble keeps the others waiting. */
const PACE = { MaxConcurrency: '10%', MaxErrors: '100%', TimeoutSeconds: 600 };

/** @param document the SSM document's name; it takes the parameters `fleet` and `manifest` and nothing secret */
export function ssmNotifier(document: string): Notifier {
  const client = new SSMClient({ maxAttempts: 3 });
  return {
    notify: async (fleet, manifest) => {
      const { Command } = await client.send(
        new SendCommandCommand({
          ...PACE,
          DocumentName: document,
          Targets: [{ Key: `tag:${FLEET_TAG}`, Values: [fleet] }],
          Parameters: { fleet: [fleet], manifest: [manifest] },
          Comment: `pemfleet: new certificates of ${fleet}`.slice(0, 100),
        }),
      );
      return Command?.CommandId ?? '';
    },
    results: async (since) => {
      const { Commands = [] } = await client.send(
        new ListCommandsCommand({
          Filters: [
            { key: 'DocumentName', value: document },
            { key: 'InvokedAfter', value: `${since.toISOString().slice(0, 19)}Z` },
          ],
        }),
      );
      return Commands.filter(({ Status = '' }) => !/^(Pending|InProgress|Cancelling)$/.test(Status)).map(
        (command) => ({
          command: command.CommandId ?? '',
          fleet: command.Parameters?.['fleet']?.[0] ?? '',
          status: command.Status ?? '',
          targets: command.TargetCount ?? 0,
          errors: command.ErrorCount ?? 0,
          timedOut: command.DeliveryTimedOutCount ?? 0,
        }),
      );
    },
  };
}
