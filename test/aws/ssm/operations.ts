// Which operation of SSM a request is, and what permission it needs.
import { type Answer, AwsFailure, type AwsRequest, type Check, type Operation } from '../wire.ts';
import type { Command, Commands, Host } from './commands.ts';
import { readDocument, resolveParameters, type SsmDocument } from './documents.ts';
import {
  getParameter,
  type ParameterInput,
  type Parameters,
  parameterArn,
  putParameter,
} from './parameters.ts';
import { hostsMeant, type SendInput, sendChecks, validateInput } from './send.ts';
import {
  commandShape,
  documentContent,
  documentDescription,
  hostShape,
  invocationOutput,
  invocationShape,
  json,
} from './shapes.ts';

export interface SsmPlace {
  region: string;
  accountId: string;
  now: () => Date;
}

export interface SsmGround extends SsmPlace {
  /** Default versions. */
  documents: Map<string, SsmDocument>;
  /** Of documents that a test has written, the oldest first: `1` is the first, and the default one. */
  versions: ReadonlyMap<string, readonly SsmDocument[]>;
  hosts: Map<string, Host>;
  commands: Commands;
  parameters: Parameters;
}

/** What the operations take, all of them together. */
interface Input extends SendInput, ParameterInput {
  Name?: string;
  Content?: string;
  DocumentFormat?: string;
  CommandId?: string;
  InstanceId?: string;
  Details?: boolean;
  MaxResults?: number;
  NextToken?: string;
}

export function readSsm(ground: SsmGround, { headers, body }: AwsRequest): Operation {
  const name = (headers['x-amz-target'] ?? '').replace(/^AmazonSSM\./, '');
  const input = JSON.parse(body.toString() || '{}') as Input;
  const read = operations[name];
  if (!read) throw new AwsFailure(400, 'UnknownOperationException', `the stand-in knows no ${name}`);
  return { name, ...read(ground, input) };
}

type Reading = Omit<Operation, 'name'>;
type Read = (ground: SsmGround, input: Input) => Reading;

const onAll = (action: string, run: () => Answer): Reading => ({
  ...{ subject: '', checks: [{ action: `ssm:${action}`, resource: '*', context: {} }], run },
});

function onDocument(ground: SsmGround, action: string, name: string, run: (name: string) => Answer): Reading {
  const check: Check = { action: `ssm:${action}`, resource: documentArn(ground, name), context: {} };
  return { subject: name, checks: [check], run: () => run(name) };
}

function onParameter(ground: SsmGround, action: string, input: Input, run: () => Answer): Reading {
  const { Name = '' } = input;
  const check: Check = { action: `ssm:${action}`, resource: parameterArn(ground, Name), context: {} };
  return { subject: Name, checks: [check], run };
}

function documentArn({ region, accountId }: SsmPlace, name: string): string {
  if (name.startsWith('arn:')) return name;
  return `arn:aws:ssm:${region}:${name.startsWith('AWS-') ? '' : accountId}:document/${name}`;
}

function findDocument({ documents }: SsmGround, name: string): SsmDocument {
  const document = documents.get(name.split('/').at(-1) ?? '');
  if (document) return document;
  throw new AwsFailure(400, 'InvalidDocument', `Document with name ${name} does not exist.`);
}

/** @param version a number, `$LATEST`, or `$DEFAULT` as without one */
function findVersion(ground: SsmGround, name: string, version = '$DEFAULT'): SsmDocument {
  const first = findDocument(ground, name);
  if (version === '$DEFAULT') return first;
  const all = versionsOf(ground, first);
  const found = version === '$LATEST' ? all.at(-1) : all[Number(version) - 1];
  if (found) return found;
  throw new AwsFailure(400, 'InvalidDocumentVersion', `${name} has no version ${version}`);
}

const versionsOf = ({ versions }: SsmGround, document: SsmDocument) =>
  versions.get(document.name) ?? [document];

function describe(ground: SsmGround, document: SsmDocument) {
  return documentDescription(document, ground.accountId, versionsOf(ground, document).length);
}

const operations: Record<string, Read> = {
  CreateDocument: (ground, { Name = '', Content = '', DocumentFormat = 'JSON' }) =>
    onDocument(ground, 'CreateDocument', Name, () => {
      if (ground.documents.has(Name)) {
        throw new AwsFailure(400, 'DocumentAlreadyExists', `Document with same name ${Name} already exists`);
      }
      const document = readDocument(Name, Content, DocumentFormat, ground.now());
      ground.documents.set(document.name, document);
      return json({ DocumentDescription: describe(ground, document) });
    }),
  GetDocument: (ground, { Name = '' }) =>
    onDocument(ground, 'GetDocument', Name, () => json(documentContent(findDocument(ground, Name)))),
  DescribeDocument: (ground, { Name = '' }) =>
    onDocument(ground, 'DescribeDocument', Name, () =>
      json({ Document: describe(ground, findDocument(ground, Name)) }),
    ),
  PutParameter: (ground, input) =>
    onParameter(ground, 'PutParameter', input, () => putParameter(ground.parameters, input)),
  GetParameter: (ground, input) =>
    onParameter(ground, 'GetParameter', input, () => getParameter(ground, input)),
  SendCommand: (ground, input) => readSendCommand(ground, input),
  ListCommands: ({ commands }, { CommandId }) =>
    onAll('ListCommands', () =>
      json({ Commands: commandsAsked(commands.all(), CommandId).map(commandShape) }),
    ),
  ListCommandInvocations: ({ commands }, input) =>
    onAll('ListCommandInvocations', () =>
      listInvocations(commandsAsked(commands.all(), input.CommandId), input),
    ),
  GetCommandInvocation: ({ commands }, { CommandId, InstanceId }) =>
    onAll('GetCommandInvocation', () => {
      const [command] = commandsAsked(commands.all(), CommandId);
      const invocation = command?.invocations.find(({ host }) => host.instanceId === InstanceId);
      if (!command || !invocation) {
        throw new AwsFailure(400, 'InvocationDoesNotExist', 'The command did not go to this instance.');
      }
      return json(invocationOutput(command, invocation));
    }),
  DescribeInstanceInformation: ({ hosts }) =>
    onAll('DescribeInstanceInformation', () =>
      json({ InstanceInformationList: [...hosts.values()].map(hostShape) }),
    ),
};

function readSendCommand(ground: SsmGround, input: SendInput): Reading {
  const { DocumentName = '', Targets = [], TimeoutSeconds = 3600, Comment = '' } = input;
  const { region, accountId, hosts, commands } = ground;
  validateInput(input);
  const arnOfHost = (id: string) =>
    id.startsWith('mi-')
      ? `arn:aws:ssm:${region}:${accountId}:managed-instance/${id}`
      : `arn:aws:ec2:${region}:${accountId}:instance/${id}`;
  const run = () => {
    const document = findVersion(ground, DocumentName, input.DocumentVersion);
    const values = resolveParameters(document, input.Parameters);
    const limits = { maxConcurrency: input.MaxConcurrency ?? '50', maxErrors: input.MaxErrors ?? '0' };
    const command = commands.send({
      ...{ document, values, comment: Comment, targets: Targets, ...limits },
      ...{ timeoutSeconds: TimeoutSeconds, requestedAt: ground.now(), hosts: hostsMeant(input, hosts) },
    });
    return json({ Command: commandShape(command) });
  };
  const checks = sendChecks(input, hosts, documentArn(ground, DocumentName), arnOfHost);
  return { subject: DocumentName, checks, run };
}

function commandsAsked(all: readonly Command[], id: string | undefined): readonly Command[] {
  if (id === undefined) return [...all].reverse();
  const found = all.filter((command) => command.id === id);
  if (found.length === 0) throw new AwsFailure(400, 'InvalidCommandId', 'The command id is not valid');
  return found;
}

function listInvocations(commands: readonly Command[], input: Input): Answer {
  const { InstanceId, Details = false, MaxResults = 50, NextToken = '0' } = input;
  if (!(MaxResults >= 1 && MaxResults <= 50)) {
    throw new AwsFailure(
      400,
      'ValidationException',
      `Value '${MaxResults}' at 'maxResults' is not from 1 to 50`,
    );
  }
  const all = commands.flatMap((command) =>
    command.invocations
      .filter(({ host }) => InstanceId === undefined || host.instanceId === InstanceId)
      .map((invocation) => invocationShape(command, invocation, Details)),
  );
  const end = Number(NextToken) + MaxResults;
  const next = end < all.length ? { NextToken: String(end) } : {};
  return json({ CommandInvocations: all.slice(Number(NextToken), end), ...next });
}
