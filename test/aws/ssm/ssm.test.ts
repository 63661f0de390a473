/** Documents, and commands that really run. */
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
  ListCommandsCommand,
  type SendCommandCommandInput,
} from '@aws-sdk/client-ssm';
import { tempDir } from '../../support/temp-dir.ts';
import { refusalOf, startBench } from '../clients.ts';
import { clientOf, content, script, stageOf } from './test-document.ts';

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

test('a command runs on the hosts with the tag, each in its own place', async (t) => {
  const aws = await startBench(t);
  aws.ssm.createDocument('Sync', content(script));
  const { client, send, invocations } = stageOf(aws);
  const dirs = ['one', 'two', 'db'].map((WHO, index) => {
    const path = tempDir(t);
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
