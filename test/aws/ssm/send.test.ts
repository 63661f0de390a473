/** SendCommand: who may send what where, and what AWS does not take. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusals } from '../aws.ts';
import { allow, refusalOf, startBench } from '../clients.ts';
import { byTag, clientOf, content, Parameters, script, stageOf } from './test-document.ts';

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
  ] as [string, object, string][]) {
    await t.test(`${what}: ${expected}`, async () => assert.equal(await refusalOf(send(more)), expected));
  }

  assert.deepEqual(aws.ssm.commands(), []);
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
  ] as const) {
    await t.test(`${what}: ${expected ?? 'allowed'}`, async () => {
      if (expected === undefined) await ask();
      else assert.equal(await refusalOf(ask()), expected);
    });
  }
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
