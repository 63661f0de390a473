/**
 * The document of the stack that upgrades agents, sent to hosts by their ids. Its parameters reach the script as environment variables only. One version
 * of it does a whole upgrade: what the canary has proved is what the next waves run, whatever is deployed meanwhile, and the way back is its own.
 */
import {
  DescribeDocumentCommand,
  ListCommandInvocationsCommand,
  SendCommandCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { BOUND, boundedAnswer } from '#common/net/bounded-answer.ts';
import { MAX_AWS_ANSWER_BYTES } from '#contract/limits.ts';
import { sdkCredentials } from '#storage/metadata/sdk-credentials.ts';
import type { CommandEnd, HostCommand } from './upgrade.ts';

/** Seconds: a host that is off for longer gets no command. */
const DELIVERY = { MaxConcurrency: '100%', MaxErrors: '100%', TimeoutSeconds: 600 };
/** Limits of one attempt, in ms. */
const TIMEOUTS = { connectionTimeout: 5_000, requestTimeout: 10_000, throwOnRequestTimeout: true };
/** Characters of a script's last words. */
const MAX_SAID = 300;

export class UpgradeCommand {
  readonly #document: string;
  readonly #client = new SSMClient({
    credentials: sdkCredentials(),
    maxAttempts: 3,
    requestHandler: TIMEOUTS,
  });
  #pinned: Promise<string> | undefined;

  constructor(document: string) {
    this.#document = document;
    this.#client.middlewareStack.add(boundedAnswer(MAX_AWS_ANSWER_BYTES), BOUND);
  }

  /** Number of the document's newest version, as it was when this was asked first. CloudFormation need not make it the default one. */
  version(): Promise<string> {
    this.#pinned ??= this.#client
      .send(new DescribeDocumentCommand({ Name: this.#document }))
      .then(({ Document: { LatestVersion = '' } = {} }) => {
        if (/^[1-9][0-9]*$/.test(LatestVersion)) return LatestVersion;
        throw new TypeError(`the document ${this.#document} has no version that is a number`);
      });
    return this.#pinned;
  }

  /** @returns the command's id */
  async send(command: HostCommand, hosts: readonly string[]): Promise<string> {
    const { action, release } = command;
    const { Command } = await this.#client.send(
      new SendCommandCommand({
        ...DELIVERY,
        DocumentName: this.#document,
        DocumentVersion: await this.version(),
        InstanceIds: [...hosts],
        Parameters: { action: [action], release: [release] },
        Comment: `pemfleet: ${action === 'back' ? 'back from' : 'upgrade to'} the agent ${release}`,
      }),
    );
    return Command?.CommandId ?? '';
  }

  async endsOf(CommandId: string): Promise<CommandEnd[]> {
    const ends: CommandEnd[] = [];
    let NextToken: string | undefined;
    do {
      const page = await this.#client.send(
        new ListCommandInvocationsCommand({ CommandId, Details: true, NextToken }),
      );
      for (const { InstanceId: host = '', Status = '', CommandPlugins } of page.CommandInvocations ?? []) {
        const isOver = !/^(Pending|InProgress|Delayed|Cancelling)$/.test(Status);
        const said = (CommandPlugins?.at(-1)?.Output ?? '').trim().split('\n').at(-1) ?? '';
        const failure = isOver && Status !== 'Success' ? `${Status}: ${said.slice(-MAX_SAID)}` : undefined;
        ends.push({ host, isOver, failure });
      }
      NextToken = page.NextToken;
    } while (NextToken);
    return ends;
  }
}
