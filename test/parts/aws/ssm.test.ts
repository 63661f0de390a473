/** Run Command: refused where AWS refuses, and really run where it is taken. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CreateDocumentCommand,
  DescribeDocumentCommand,
  DescribeInstanceInformationCommand,
  GetCommandInvocationCommand,
  GetDocumentCommand,
  ListCommandInvocationsCommand,
  ListCommandsCommand,
  SendCommandCommand,
  type SendCommandCommandInput,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { makeTempDir } from '../temp-dir.ts';
import { type Aws, refusals } from './aws.ts';
import type { Principal } from './identity.ts';
import { allow, clientConfig, refusalOf, startBench } from './support.ts';

const clientOf = (aws: Aws, who: Pick<Principal, 'credentials'> = aws.administrator) =>
  new SSMClient(clientConfig(aws, who));

const content = (runCommand: string[], inputs = {}) =>
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
const script = ['echo "{{ fleet }} $SSM_etag $WHO"', 'pwd > place', 'echo "to stderr" >&2', 'exit "$CODE"'];
const byTag = [{ Key: 'tag:fleet', Values: ['web'] }];
const Parameters = { fleet: ['web'] };

function stageOf(aws: Aws, client = clientOf(aws)) {
  const send = (more: Partial<SendCommandCommandInput> = {}) =>
    client.send(new SendCommandCommand({ DocumentName: 'Sync', Targets: byTag, Parameters, ...more }));
  const invocations = async (CommandId: string | undefined) => {
    const asked = new ListCommandInvocationsCommand({ CommandId, Details: true });
    return (await client.send(asked)).CommandInvocations ?? [];
  };
  return { client, send, invocations };
}

test('documents are kept as they were written', async (t) => {
  const aws = await startBench(t);
  const client = clientOf(aws);
  const Content = content(script);
  const create = (Name: string, text: string, more = {}) =>
    client.send(new CreateDocumentCommand({ Name, Content: text, DocumentType: 'Command', ...more }));

  await create('Sync', Content);

  assert.equal((await client.send(new GetDocumentCommand({ Name: 'Sync' }))).Content, Content);
  const { Document } = await client.send(new DescribeDocumentCommand({ Name: 'Sync' }));
  assert.deepEqual(
    Document?.Parameters?.map(({ Name, Type, DefaultValue }) => `${Name} ${Type} ${DefaultValue ?? '-'}`),
    ['fleet String -', 'etag String none', 'mode String sync', 'tries Integer 1'],
  );
  assert.equal(await refusalOf(create('Sync', Content)), '400 DocumentAlreadyExists');
  assert.equal(await refusalOf(create('Bad', '{')), '400 InvalidDocumentContent');
  assert.equal(await refusalOf(create('Old', '{"schemaVersion":"1.2"}')), '400 InvalidDocumentSchemaVersion');
  assert.equal(await refusalOf(create('a b', Content)), '400 ValidationException');
  assert.equal(await refusalOf(client.send(new GetDocumentCommand({ Name: 'None' }))), '400 InvalidDocument');
  const yaml =
    'schemaVersion: "2.2"\nmainSteps: [{action: aws:runShellScript, name: a, inputs: {runCommand: [true]}}]\n';
  await create('Yaml', yaml, { DocumentFormat: 'YAML' });
});

test('SendCommand is refused where AWS refuses it', async (t) => {
  const aws = await startBench(t);
  aws.ssm.createDocument('Sync', content(script));
  aws.ssm.host({ instanceId: 'i-0aaa', tags: { fleet: 'web' } });
  const { send } = stageOf(aws);
  const InstanceIds = ['i-0zzz'];

  for (const [what, more, expected] of [
    ['a document that is not there', { DocumentName: 'None' }, '400 InvalidDocument'],
    ['a parameter too many', { Parameters: { ...Parameters, x: ['1'] } }, '400 InvalidParameters'],
    ['a parameter missing', { Parameters: {} }, '400 InvalidParameters'],
    ['a parameter against its pattern', { Parameters: { fleet: ['a; id'] } }, '400 InvalidParameters'],
    ['a parameter of other values', { Parameters: { ...Parameters, mode: ['x'] } }, '400 InvalidParameters'],
    ['no integer', { Parameters: { ...Parameters, tries: ['x'] } }, '400 InvalidParameters'],
    ['two values for one', { Parameters: { fleet: ['a', 'b'] } }, '400 InvalidParameters'],
    ['too short a timeout', { TimeoutSeconds: 29 }, '400 ValidationException'],
    ['MaxConcurrency of 0', { MaxConcurrency: '0' }, '400 ValidationException'],
    ['MaxConcurrency of 110%', { MaxConcurrency: '110%' }, '400 ValidationException'],
    ['MaxErrors of -1', { MaxErrors: '-1' }, '400 ValidationException'],
    ['too long a comment', { Comment: 'x'.repeat(101) }, '400 ValidationException'],
    ['no target', { Targets: undefined }, '400 InvalidTarget'],
    ['an instance that is not there', { Targets: undefined, InstanceIds }, '400 InvalidInstanceId'],
  ] as [string, object, string][])
    await t.test(`${what}: ${expected}`, async () => assert.equal(await refusalOf(send(more)), expected));

  assert.deepEqual(aws.ssm.commands(), []);
});

test('a command runs on the hosts with the tag, each in its own place', async (t) => {
  const aws = await startBench(t);
  aws.ssm.createDocument('Sync', content(script));
  const { client, send, invocations } = stageOf(aws);
  const dirs = ['one', 'two', 'db'].map((WHO, index) => {
    const { path, remove } = makeTempDir();
    t.after(remove);
    const env = { WHO, CODE: WHO === 'two' ? '3' : '0' };
    aws.ssm.host({ instanceId: `i-0${WHO}`, tags: { fleet: index < 2 ? 'web' : 'db' }, cwd: path, env });
    return path;
  });
  const etag = `"abc'; id"`;

  const { Command } = await send({ Parameters: { fleet: ['web'], etag: [etag] }, MaxErrors: '1' });
  await aws.ssm.settled();

  const found = await invocations(Command?.CommandId);
  assert.deepEqual(
    found.map(({ InstanceId, Status, CommandPlugins }) => [
      InstanceId,
      Status,
      CommandPlugins?.[0]?.ResponseCode,
    ]),
    [
      ['i-0one', 'Success', 0],
      ['i-0two', 'Failed', 3],
    ],
  );
  assert.equal(
    found[0]?.CommandPlugins?.[0]?.Output,
    `web ${etag} one\n\n----------ERROR-------\nto stderr\n`,
  );
  assert.equal(readFileSync(join(dirs[0] as string, 'place'), 'utf8'), `${dirs[0]}\n`);
  assert.throws(() => readFileSync(join(dirs[2] as string, 'place')), { code: 'ENOENT' });
  const asked = { CommandId: Command?.CommandId, InstanceId: 'i-0two' };
  const output = await client.send(new GetCommandInvocationCommand(asked));
  assert.deepEqual(
    [output.Status, output.ResponseCode, output.StandardErrorContent],
    ['Failed', 3, 'to stderr\n'],
  );
  const { Commands } = await client.send(new ListCommandsCommand({ CommandId: Command?.CommandId }));
  const [{ Status, TargetCount, CompletedCount, ErrorCount } = {}] = Commands ?? [];
  assert.deepEqual([Status, TargetCount, CompletedCount, ErrorCount], ['Failed', 2, 2, 1]);
  assert.equal(await refusalOf(invocations('00000000-0000-0000-0000-000000000000')), '400 InvalidCommandId');
  const elsewhere = client.send(new GetCommandInvocationCommand({ ...asked, InstanceId: 'i-0db' }));
  assert.equal(await refusalOf(elsewhere), '400 InvocationDoesNotExist');
});

test('how a command ends', async (t) => {
  let skewMs = 0;
  const aws = await startBench(t, { now: () => new Date(Date.now() + skewMs) });
  const { client, send, invocations } = stageOf(aws);
  aws.ssm.createDocument('Fails', content(['exit 1']));
  aws.ssm.createDocument('Hangs', content(['sleep 60'], { timeoutSeconds: '1' }));
  aws.ssm.createDocument('Works', content(['true']));
  for (const id of ['i-01', 'i-02', 'i-03']) aws.ssm.host({ instanceId: id, tags: { fleet: 'web' } });
  const away = aws.ssm.host({ instanceId: 'i-09', tags: { fleet: 'away' }, isOnline: false });
  const toAway = { DocumentName: 'Works', Targets: [{ Key: 'tag:fleet', Values: ['away'] }] };
  const ended = async (more: Partial<SendCommandCommandInput>) => {
    const { Command } = await send(more);
    await aws.ssm.settled();
    return (await invocations(Command?.CommandId)).map(({ StatusDetails }) => StatusDetails);
  };

  await t.test('after more failures than MaxErrors it goes to no more hosts', async () => {
    assert.deepEqual(await ended({ DocumentName: 'Fails', MaxConcurrency: '1' }), [
      'Failed',
      'Terminated',
      'Terminated',
    ]);
    const lenient = { DocumentName: 'Fails', MaxConcurrency: '34%', MaxErrors: '34%' };
    assert.deepEqual(await ended(lenient), ['Failed', 'Failed', 'Terminated']);
  });

  await t.test('a script that takes too long is ended', async () => {
    const one = { DocumentName: 'Hangs', Targets: [{ Key: 'InstanceIds', Values: ['i-01'] }] };
    assert.deepEqual(await ended(one), ['ExecutionTimedOut']);
  });

  await t.test('a host that is away fetches it when it comes back, or too late', async () => {
    assert.deepEqual(await ended(toAway), ['Pending']);
    away.setOnline(true);
    await aws.ssm.settled();
    assert.equal(aws.ssm.commands().at(-1)?.invocations[0]?.details, 'Success');
    away.setOnline(false);
    await ended({ ...toAway, TimeoutSeconds: 30 });
    skewMs = 31_000;
    assert.equal(aws.ssm.commands().at(-1)?.invocations[0]?.details, 'DeliveryTimedOut');
    skewMs = 0;
    const { InstanceInformationList } = await client.send(new DescribeInstanceInformationCommand({}));
    assert.equal(InstanceInformationList?.at(-1)?.PingStatus, 'ConnectionLost');
  });

  await t.test('a tag that nobody has', async () => {
    const { Command } = await send({
      DocumentName: 'Works',
      Targets: [{ Key: 'tag:fleet', Values: ['none'] }],
    });
    assert.deepEqual([Command?.TargetCount, Command?.StatusDetails], [0, 'NoInstancesInTag']);
  });

  await t.test('an old agent puts parameters into the text only', async () => {
    aws.ssm.createDocument('Old', content(['echo "[$SSM_etag] {{etag}}"']));
    aws.ssm.host({ instanceId: 'i-0old', isOldAgent: true });
    await ended({ DocumentName: 'Old', Targets: undefined, InstanceIds: ['i-0old'] });
    assert.equal(aws.ssm.commands().at(-1)?.invocations[0]?.results[0]?.stdout, '[] none\n');
  });
});

test('policies: by document, and by the tags of the hosts', async (t) => {
  const aws = await startBench(t);
  for (const name of ['Sync', 'Other']) aws.ssm.createDocument(name, content(['true']));
  aws.ssm.host({ instanceId: 'i-0aaaaaaaaaaaaaaaa', tags: { fleet: 'web' } });
  aws.ssm.host({ instanceId: 'i-0dddddddddddddddd', tags: { fleet: 'db' } });
  const region = `arn:aws:ssm:${aws.region}:${aws.accountId}`;
  const onWeb = { StringEquals: { 'ssm:resourceTag/fleet': 'web' } };
  const policies = [
    allow('ssm:SendCommand', `${region}:document/Sync`),
    allow('ssm:SendCommand', `arn:aws:ec2:*:${aws.accountId}:instance/*`, onWeb),
  ];
  const { send, invocations } = stageOf(aws, clientOf(aws, aws.principal({ name: 'issuer', policies })));
  const toDb = [{ Key: 'tag:fleet', Values: ['db'] }];
  const noMatch = [...byTag, { Key: 'tag:role', Values: ['none'] }];
  const refused = '400 AccessDeniedException';

  for (const [what, ask, expected] of [
    ['the document, by tag', () => send(), undefined],
    ['the document, by a tag that no host has', () => send({ Targets: noMatch }), undefined],
    ['another document', () => send({ DocumentName: 'Other' }), refused],
    [
      'a document of AWS',
      () => send({ DocumentName: 'AWS-RunShellScript', Parameters: { commands: ['id'] } }),
      refused,
    ],
    ['other hosts, by tag', () => send({ Targets: toDb }), refused],
    [
      'another host, by id',
      () => send({ Targets: undefined, InstanceIds: ['i-0dddddddddddddddd'] }),
      refused,
    ],
    ['looking', () => invocations(undefined), refused],
  ] as const)
    await t.test(`${what}: ${expected ?? 'allowed'}`, async () => {
      if (expected === undefined) await ask();
      else assert.equal(await refusalOf(ask()), expected);
    });
});

test('throttled, and a wrong secret', async (t) => {
  const aws = await startBench(t);
  aws.ssm.createDocument('Sync', content(['true']));
  const { send } = stageOf(aws);
  aws.fault({ service: 'ssm', subject: 'Sync', times: 1 }, refusals.throttlingException());
  const liar = { credentials: { ...aws.administrator.credentials, secretAccessKey: 'x' } };

  assert.equal(await refusalOf(send()), '400 ThrottlingException');
  assert.equal(await refusalOf(stageOf(aws, clientOf(aws, liar)).send()), '400 InvalidSignatureException');
  await send();
});
