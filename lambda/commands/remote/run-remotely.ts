/** A command in the function: who may have it by this alias, and what it prints, with its exit status. */

import { commandProblem } from '#common/cli/options.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { openBucket } from '#storage/open.ts';
import { quotedWords } from '../../audit/actor.ts';
import type { AuditActor } from '../../audit/line.ts';
import type { Config } from '../../config/config.ts';
import { functionIdentity } from '../../identity/identity.ts';
import { writeStatusPage } from '../../page/write-page.ts';
import type { Pass } from '../../pass.ts';
import { hasPrintedJson, printFailure, printJson } from '../command.ts';
import { failureOf } from '../line/failure.ts';
import { COMMAND_WORDS } from '../line/known-words.ts';
import { type CommandValues, parseArguments, UsageError } from '../line/options.ts';
import { REMOTE_COMMANDS } from './commands.ts';
import type { CommandAlias } from './event.ts';
import {
  answerOf,
  type CommandAnswer,
  type CommandRequest,
  readCommandRequest,
  type Stream,
} from './protocol.ts';
import { commandKey, localProblem, reachOf, reachProblem } from './reach.ts';
import { onStage, type RemoteStage } from './stage.ts';

/** What the function knows of its invocation. */
export interface RemoteInvocation {
  alias: CommandAlias;
  /** With the alias. */
  functionArn: string;
  /** CloudTrail has the caller of the request with this id. */
  requestId: string;
  deadline: Date;
  bucketUrl: string | undefined;
  loadConfig(): Promise<Config>;
}

/** What is logged of it. */
export interface RemoteRun {
  answer: CommandAnswer;
  command: string;
  by: string;
  status: number;
}

export async function runRemotely(event: unknown, invocation: RemoteInvocation): Promise<RemoteRun> {
  const request = readCommandRequest(event) ?? NO_COMMAND;
  const printed: [Stream, string][] = [];
  const actor = actorOf(request, invocation);
  const stage: RemoteStage = {
    ...{ alias: invocation.alias, deadline: invocation.deadline, bucketUrl: invocation.bucketUrl },
    ...{ width: request.width, hasJson: false, loadConfig: invocation.loadConfig },
    identity: functionIdentity(invocation.functionArn),
    actor: (reason) => ({ ...actor, ...(reason !== undefined && { reason }) }),
    write: (stream, text) => printed.push([stream, text]) > 0,
  };
  const status = await onStage(stage, () => run(request, invocation.alias));
  const answer = answerOf(PEMFLEET_VERSION, status, printed);
  return { answer, status, command: actor.command, by: actor.by };
}

const NO_COMMAND: CommandRequest = { args: [], claim: { user: 'nobody', host: 'nowhere' }, width: 120 };

/** A person, as he says; the request's id is AWS's own word. */
function actorOf({ args, claim }: CommandRequest, { functionArn, requestId }: RemoteInvocation): AuditActor {
  return {
    ...{ by: claim.user, isClaimed: true, host: claim.host, command: quotedWords(['pemfleet', ...args]) },
    ...{ function: functionArn, request: requestId },
  };
}

async function run({ args }: CommandRequest, alias: CommandAlias): Promise<number> {
  try {
    if (args.length === 0) throw new UsageError('the function was sent no command that it can read');
    const { values, positionals } = parseArguments([...args]);
    const [name = ''] = positionals;
    checkReach(positionals, values, alias);
    const command = REMOTE_COMMANDS[name as keyof typeof REMOTE_COMMANDS];
    if (command === undefined) {
      const problem = commandProblem(name, Object.keys(REMOTE_COMMANDS), COMMAND_WORDS);
      throw new UsageError(`the function runs pemfleet ${PEMFLEET_VERSION}: ${problem}`);
    }
    return await command(values, positionals.slice(1));
  } catch (error) {
    const { status, text, document } = failureOf(error);
    if (args.includes('--json') && !hasPrintedJson()) printJson(document);
    printFailure(text);
    return status;
  }
}

/** @throws UsageError; here, whatever the caller's own program has looked at */
function checkReach(words: readonly string[], values: CommandValues, alias: CommandAlias): void {
  const name = commandKey(words);
  const reach = reachOf(words, values);
  const problem = reachProblem(name, reach) ?? localProblem(values);
  if (problem !== undefined) throw new UsageError(problem);
  if (reach === 'change' && alias === 'read') {
    throw new UsageError(
      `${name} changes something, and the alias read changes nothing: it wants the alias change`,
    );
  }
}

/** The page of a pass, whose program has not what makes one. The bucket is opened here, so that its errors are those of this bundle. */
export async function writeStatusPageAt(
  bucketUrl: string,
  pass: Pick<Pass, 'config' | 'timing' | 'log'>,
): Promise<void> {
  return writeStatusPage({ ...pass, bucket: await openBucket(bucketUrl) });
}
