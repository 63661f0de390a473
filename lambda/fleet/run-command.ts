/**
 * Tells the hosts of a fleet by SSM Run Command that there is something new. A courtesy: the hosts poll all the same, so
 * a failure here is told and no more.
 */
import { ListCommandsCommand, SendCommandCommand, SSMClient } from '@aws-sdk/client-ssm';
import { FLEET_TAG, type FleetName } from '#contract/layout.ts';

export interface FleetNotifier {
  /** @param manifest its ETag @returns the command's id */
  notify(fleet: FleetName, manifest: string): Promise<string>;
  /** How a command stands; undefined if Systems Manager does not know it any more. */
  result(command: string): Promise<CommandResult | undefined>;
}

export interface CommandResult {
  /** As Systems Manager says it: `Success`, `Failed`, `InProgress`, … */
  status: string;
  hasEnded: boolean;
  targets: number;
  errors: number;
  timedOut: number;
}

/** A tenth of the fleet at a time; no host's trouble keeps the others waiting. */
const PACE = { MaxConcurrency: '10%', MaxErrors: '100%', TimeoutSeconds: 600 };

/** @param document the SSM document's name; it takes the parameters `fleet` and `manifest` and nothing secret */
export function ssmNotifier(document: string): FleetNotifier {
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
    result: async (CommandId) => {
      const { Commands: [command] = [] } = await client.send(new ListCommandsCommand({ CommandId }));
      if (command === undefined) return undefined;
      const { Status: status = '', TargetCount = 0, ErrorCount = 0, DeliveryTimedOutCount = 0 } = command;
      return {
        status,
        hasEnded: !/^(Pending|InProgress|Cancelling)$/.test(status),
        targets: TargetCount,
        errors: ErrorCount,
        timedOut: DeliveryTimedOutCount,
      };
    },
  };
}
