// A document, and Run Command in the words of tests.
import {
  ListCommandInvocationsCommand,
  SendCommandCommand,
  type SendCommandCommandInput,
  SSMClient,
} from '@aws-sdk/client-ssm';
import type { Aws } from '../aws.ts';
import { clientConfig } from '../clients.ts';
import type { Principal } from '../identity.ts';

export const clientOf = (aws: Aws, who: Pick<Principal, 'credentials'> = aws.administrator) =>
  new SSMClient(clientConfig(aws, who));

export const content = (runCommand: string[], inputs = {}) =>
  JSON.stringify({
    schemaVersion: '2.2',
    parameters: {
      fleet: { type: 'String', allowedPattern: '^[a-z0-9-]+$' },
      etag: { type: 'String', default: 'none', interpolationType: 'ENV_VAR' },
      mode: { type: 'String', default: 'sync', allowedValues: ['sync', 'status'] },
      tries: { type: 'Integer', default: '1' },
    },
    mainSteps: [{ action: 'aws:runShellScript', name: 'run', inputs: { runCommand, ...inputs } }],
  });
export const script = [
  'echo "{{ fleet }} $SSM_etag $WHO"',
  'pwd > place',
  'echo "to stderr" >&2',
  'exit "$CODE"',
];
export const byTag = [{ Key: 'tag:fleet', Values: ['web'] }];
export const Parameters = { fleet: ['web'] };

export function stageOf(aws: Aws, client = clientOf(aws)) {
  const send = (more: Partial<SendCommandCommandInput> = {}) =>
    client.send(new SendCommandCommand({ DocumentName: 'Sync', Targets: byTag, Parameters, ...more }));
  const invocations = async (CommandId: string | undefined) => {
    const asked = new ListCommandInvocationsCommand({ CommandId, Details: true });
    return (await client.send(asked)).CommandInvocations ?? [];
  };
  return { client, send, invocations };
}
