// SendCommand: which hosts are meant, what permissions that needs, and whether AWS would take the request at all.
import { AwsFailure, type Check } from '../wire.ts';
import type { Host } from './commands.ts';

export interface SendInput {
  DocumentName?: string;
  /** A number, `$LATEST` or `$DEFAULT`. */
  DocumentVersion?: string;
  InstanceIds?: string[];
  Targets?: { Key: string; Values: string[] }[];
  Parameters?: Record<string, string[]>;
  TimeoutSeconds?: number;
  MaxConcurrency?: string;
  MaxErrors?: string;
  Comment?: string;
}

const invalid = (field: string, value: unknown, rule: string) =>
  new AwsFailure(
    400,
    'ValidationException',
    `1 validation error detected: Value '${value}' at '${field}' failed to satisfy constraint: ${rule}`,
  );

/** The rules of the API's model. */
export function validateInput(input: SendInput): void {
  const { TimeoutSeconds = 3600, MaxConcurrency = '50', MaxErrors = '0', Comment = '' } = input;
  if (!(TimeoutSeconds >= 30 && TimeoutSeconds <= 2_592_000)) {
    throw invalid('timeoutSeconds', TimeoutSeconds, 'Member must have value from 30 to 2592000');
  }
  const concurrency = /^([1-9][0-9]*|[1-9][0-9]%|[1-9]%|100%)$/;
  const errors = /^([1-9][0-9]*|0|[1-9][0-9]%|[0-9]%|100%)$/;
  if (MaxConcurrency.length > 7 || !concurrency.test(MaxConcurrency)) {
    throw invalid('maxConcurrency', MaxConcurrency, `Member must satisfy ${concurrency.source}`);
  }
  if (MaxErrors.length > 7 || !errors.test(MaxErrors)) {
    throw invalid('maxErrors', MaxErrors, `Member must satisfy ${errors.source}`);
  }
  if (Comment.length > 100) throw invalid('comment', Comment, 'Member must have length at most 100');
  const { InstanceIds = [], Targets = [] } = input;
  if (InstanceIds.length > 50) throw invalid('instanceIds', InstanceIds.length, 'at most 50');
  if (Targets.length > 5) throw invalid('targets', Targets.length, 'at most 5');
  if (Targets.some(({ Values }) => Values.length > 50)) throw invalid('targets.values', '', 'at most 50');
  if ((InstanceIds.length === 0) === (Targets.length === 0)) {
    throw new AwsFailure(400, 'InvalidTarget', 'Specify either instance ids or targets.');
  }
}

/** All targets must fit; one of the values of each is enough. */
export function hostsMeant(
  { InstanceIds = [], Targets = [] }: SendInput,
  hosts: ReadonlyMap<string, Host>,
): Host[] {
  if (InstanceIds.length > 0) {
    return InstanceIds.map((id) => {
      const host = hosts.get(id);
      if (host?.isOnline) return host;
      throw new AwsFailure(400, 'InvalidInstanceId', `Instances [[${id}]] not in a valid state for account`);
    });
  }
  return [...hosts.values()].filter((host) =>
    Targets.every(({ Key, Values }) => {
      if (Key === 'InstanceIds') return Values.includes(host.instanceId);
      if (!Key.startsWith('tag:')) throw new AwsFailure(400, 'InvalidTarget', `unknown target key ${Key}`);
      const value = host.tags[Key.slice('tag:'.length)];
      return value !== undefined && Values.includes(value);
    }),
  );
}

/** The document, and each host with its tags; where no host has the tag, the tag itself is judged. */
export function sendChecks(
  input: SendInput,
  hosts: ReadonlyMap<string, Host>,
  documentArn: string,
  arnOfHost: (instanceId: string) => string,
): Check[] {
  const action = 'ssm:SendCommand';
  const { InstanceIds = [], Targets = [] } = input;
  const named = InstanceIds.map((id) => hosts.get(id) ?? { instanceId: id, tags: {} });
  const meant = InstanceIds.length > 0 ? named : hostsMeant(input, hosts);
  const tagsAsked = Targets.flatMap(({ Key, Values }) =>
    Key.startsWith('tag:') && Values[0] !== undefined ? [[Key.slice('tag:'.length), Values[0]]] : [],
  );
  const judged = meant.length > 0 ? meant : [{ instanceId: '*', tags: Object.fromEntries(tagsAsked) }];
  return [
    { action, resource: documentArn, context: {} },
    ...judged.map(({ instanceId, tags }) => ({
      ...{ action, resource: arnOfHost(instanceId) },
      context: Object.fromEntries(
        Object.entries(tags as Record<string, string>).flatMap(([name, value]) => [
          [`ssm:resourceTag/${name}`, value],
          [`aws:ResourceTag/${name}`, value],
        ]),
      ),
    })),
  ];
}
