/** Nudges a fleet's hosts through SSM Run Command. Best effort: hosts poll anyway, so a failure is only logged. */
import { ListCommandsCommand, SendCommandCommand, SSMClient } from '@aws-sdk/client-ssm';
import { BOUND, boundedAnswer } from '#common/net/bounded-answer.ts';
import { FLEET_TAG, type FleetName, fleetTagValue } from '#contract/layout.ts';
import { MAX_AWS_ANSWER_BYTES } from '#contract/limits.ts';
import { sdkCredentials } from '#storage/metadata/sdk-credentials.ts';

export interface FleetNotifier {
  /** Sends the command to the fleet's hosts. @param manifest its ETag @returns the command's id */
  notify(fleet: FleetName, manifest: string): Promise<string>;
  /** How a command stands; undefined if Systems Manager has no record of it. */
  result(command: string): Promise<CommandResult | undefined>;
}

export interface CommandResult {
  /** As Systems Manager says it: `Success`, `Failed`, `InProgress`, … */
  status: string;
  hasEnded: boolean;
  /** Numbers of hosts. */
  targets: number;
  errors: number;
  timedOut: number;
}

/** A tenth of the fleet at a time; a host that fails does not hold up the others. Seconds: a host that is off for longer gets no command. */
const DELIVERY = { MaxConcurrency: '10%', MaxErrors: '100%', TimeoutSeconds: 600 };
/** Limits of one attempt, in ms. */
const TIMEOUTS = { connectionTimeout: 5_000, requestTimeout: 10_000, throwOnRequestTimeout: true };
/** Characters, by Systems Manager. */
const LONGEST_COMMENT = 100;

export class RunCommandNotifier implements FleetNotifier {
  readonly #document: string;
  readonly #deployment: string | undefined;
  readonly #client = new SSMClient({
    credentials: sdkCredentials(),
    maxAttempts: 3,
    requestHandler: TIMEOUTS,
  });

  /**
   * @param document the SSM document's name; it takes the parameters `fleet` and `manifest` and nothing secret
   * @param deployment name of the deployment whose hosts are called; undefined: the tags hold the fleet alone
   */
  constructor(document: string, deployment?: string) {
    this.#document = document;
    this.#deployment = deployment;
    this.#client.middlewareStack.add(boundedAnswer(MAX_AWS_ANSWER_BYTES), BOUND);
  }

  async notify(fleet: FleetName, manifest: string): Promise<string> {
    const { Command } = await this.#client.send(
      new SendCommandCommand({
        ...DELIVERY,
        DocumentName: this.#document,
        // CloudFormation makes a new version of a changed document, and need not make it the default one.
        DocumentVersion: '$LATEST',
        Targets: [{ Key: `tag:${FLEET_TAG}`, Values: [fleetTagValue(fleet, this.#deployment)] }],
        Parameters: { fleet: [fleet], manifest: [manifest] },
        Comment: `pemfleet: new certificates of ${fleet}`.slice(0, LONGEST_COMMENT),
      }),
    );
    return Command?.CommandId ?? '';
  }

  async result(CommandId: string): Promise<CommandResult | undefined> {
    const { Commands: [command] = [] } = await this.#client.send(new ListCommandsCommand({ CommandId }));
    if (command === undefined) return undefined;
    const { Status: status = '', TargetCount = 0, ErrorCount = 0, DeliveryTimedOutCount = 0 } = command;
    return {
      status,
      hasEnded: !/^(Pending|InProgress|Cancelling)$/.test(status),
      targets: TargetCount,
      errors: ErrorCount,
      timedOut: DeliveryTimedOutCount,
    };
  }
}
