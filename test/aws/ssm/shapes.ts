// Documents, commands and invocations in SSM's JSON; times are seconds since 1970.
import type { Answer } from '../wire.ts';
import { type Command, commandStatus, type Host, type Invocation } from './commands.ts';
import type { SsmDocument } from './documents.ts';
import type { StepResult } from './run.ts';

export const json = (body: object): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/x-amz-json-1.1' },
  body: JSON.stringify(body),
});

const seconds = (at: Date) => at.getTime() / 1000;

const common = { DocumentVersion: '1', DocumentType: 'Command', Status: 'Active' };

export const documentContent = ({ name, content, format }: SsmDocument) => ({
  ...{ ...common, Name: name, Content: content, DocumentFormat: format },
});

export const documentDescription = (document: SsmDocument, ownerId: string, newest: number) => ({
  ...{
    ...common,
    Name: document.name,
    Owner: ownerId,
    SchemaVersion: '2.2',
    PlatformTypes: ['Linux', 'MacOS'],
  },
  ...{ DocumentFormat: document.format, CreatedDate: seconds(document.createdAt) },
  ...{ LatestVersion: String(newest), DefaultVersion: '1' },
  Parameters: Object.entries(document.parameters).map(([Name, parameter]) => ({
    ...{ Name, Type: parameter.type },
    ...(parameter.description === undefined ? {} : { Description: parameter.description }),
    ...(parameter.default === undefined ? {} : { DefaultValue: String(parameter.default) }),
  })),
});

export const commandShape = (command: Command) => {
  const { status, details } = commandStatus(command);
  const count = (wanted: readonly string[]) =>
    command.invocations.filter((one) => wanted.includes(one.status)).length;
  return {
    ...{ CommandId: command.id, DocumentName: command.document.name, DocumentVersion: '1' },
    ...{ Comment: command.comment, Parameters: command.values, Targets: command.targets },
    InstanceIds: command.targets.length > 0 ? [] : command.invocations.map(({ host }) => host.instanceId),
    ...{ RequestedDateTime: seconds(command.requestedAt), TimeoutSeconds: command.timeoutSeconds },
    ExpiresAfter: seconds(command.requestedAt) + command.timeoutSeconds,
    ...{ Status: status, StatusDetails: details },
    ...{ MaxConcurrency: command.maxConcurrency, MaxErrors: command.maxErrors },
    TargetCount: command.invocations.length,
    CompletedCount: count(['Success', 'Failed', 'TimedOut', 'Cancelled']),
    ErrorCount: count(['Failed']),
    DeliveryTimedOutCount: count(['TimedOut']),
  };
};

export const invocationShape = (command: Command, invocation: Invocation, withDetails: boolean) => ({
  ...{ CommandId: command.id, InstanceId: invocation.host.instanceId, DocumentName: command.document.name },
  ...{ DocumentVersion: '1', Comment: command.comment, RequestedDateTime: seconds(command.requestedAt) },
  ...{ Status: invocation.status, StatusDetails: invocation.details },
  CommandPlugins: withDetails ? invocation.results.map((result) => pluginShape(result, invocation)) : [],
});

const pluginShape = (result: StepResult, { details }: Invocation) => ({
  ...{ Name: result.name, ResponseCode: result.code },
  ...(result.code === 0
    ? { Status: 'Success', StatusDetails: 'Success' }
    : { Status: result.isTimedOut ? 'TimedOut' : 'Failed', StatusDetails: details }),
  ResponseStartDateTime: seconds(result.startedAt),
  ResponseFinishDateTime: seconds(result.endedAt),
  Output: shorten(withErrors(result), 2500),
});

const withErrors = ({ stdout, stderr }: StepResult) =>
  stderr === '' ? stdout : `${stdout}\n----------ERROR-------\n${stderr}`;

const shorten = (text: string, most: number) =>
  text.length <= most ? text : `${text.slice(0, most - 24)}\n---Output truncated---`;

/** What GetCommandInvocation tells: the first step, as SSM does for a document of one. */
export const invocationOutput = (command: Command, invocation: Invocation) => {
  const [result] = invocation.results;
  const times = result && {
    ExecutionStartDateTime: result.startedAt.toISOString(),
    ExecutionEndDateTime: result.endedAt.toISOString(),
  };
  return {
    ...{ CommandId: command.id, InstanceId: invocation.host.instanceId, DocumentName: command.document.name },
    ...{ DocumentVersion: '1', Comment: command.comment, PluginName: command.document.steps[0]?.name },
    ...{ Status: invocation.status, StatusDetails: invocation.details, ResponseCode: result?.code ?? -1 },
    StandardOutputContent: shorten(result?.stdout ?? '', 24_000),
    StandardErrorContent: shorten(result?.stderr ?? '', 8_000),
    ...times,
  };
};

export const hostShape = ({ instanceId, isOnline, isOldAgent }: Host) => ({
  ...{ InstanceId: instanceId, PingStatus: isOnline ? 'Online' : 'ConnectionLost', PlatformType: 'Linux' },
  ...{ AgentVersion: isOldAgent ? '3.3.0.0' : '3.3.2746.0', ResourceType: 'EC2Instance' },
});
