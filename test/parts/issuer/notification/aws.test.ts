// Notices through AWS's own services, under exactly the rights that docs/iam.md gives: each kind of notice is taken as it is written.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { channel } from '../../../../lambda/config/notify/channel.ts';
import { openChannels } from '../../../../lambda/notification/channels/open-channels.ts';
import { sendOnce } from '../../../../lambda/notification/deliver.ts';
import { startAws } from '../../../aws/aws.ts';
import { noon } from '../../../support/clock.ts';
import { sampleNotices } from '../../../support/notification/samples.ts';

const notices = await sampleNotices();

async function stage(t: TestContext, settings: object, statements: readonly [action: string, on: string][]) {
  const aws = await startAws();
  t.after(aws.stop);
  const topic = aws.sns.createTopic('Ops');
  const Statement = statements.map(([Action, Resource]) => ({ Effect: 'Allow', Action, Resource }));
  const { env } = aws.principal({ name: 'issuer', policies: [{ Version: '2012-10-17', Statement }] });
  const channels = { one: channel.parse(settings) };
  const place = { env: { ...env, PEMFLEET_ALARM_TOPIC: topic }, now: () => noon };
  const opened = openChannels({ channels } as unknown as Parameters<typeof openChannels>[0], place).get(
    'one',
  );
  assert.ok(opened);
  return { aws, topic, channel: opened };
}

const TOPIC = 'arn:aws:sns:eu-central-1:111111111111:Ops';
const busArn = (account: string, name: string) => `arn:aws:events:eu-central-1:${account}:event-bus/${name}`;
const failing = new Map(notices).get('failing');
assert.ok(failing);

for (const sns of ['default', TOPIC]) {
  test(`SNS takes a message of each kind: ${sns}`, async (t) => {
    const { aws, channel } = await stage(t, { sns }, [['sns:Publish', TOPIC]]);

    const results = await Promise.all(notices.map(([, notice]) => sendOnce(notice, channel, 5000)));

    assert.deepEqual([...new Set(results.map(({ said }) => said))], ['SNS answers 200']);
    assert.equal(aws.sns.messages.length, notices.length);
    const kinds = aws.sns.messages.map(({ attributes }) => attributes['kind']);
    assert.deepEqual(kinds.sort(), notices.map(([, { kind }]) => kind).sort());
  });
}

for (const [eventbridge, arn] of [
  ['default', busArn('111111111111', 'default')],
  ['ops', busArn('111111111111', 'ops')],
  [busArn('222222222222', 'central'), busArn('222222222222', 'central')],
] as const) {
  test(`EventBridge takes events of each kind, with the right to that bus alone: ${eventbridge}`, async (t) => {
    const { aws, channel } = await stage(t, { eventbridge }, [['events:PutEvents', arn]]);

    const results = await Promise.all(notices.map(([, notice]) => sendOnce(notice, channel, 5000)));

    assert.deepEqual([...new Set(results.map(({ said }) => said))], ['EventBridge answers 200']);
    assert.deepEqual([...new Set(aws.events.sent.map(({ bus }) => bus))], [arn]);
    assert.ok(
      aws.events.sent.every(({ source, detail }) => source === 'pemfleet' && detail['Version'] === 1),
    );
  });
}

test('without the right, the error names the action and what it was for', async (t) => {
  const { channel: topic } = await stage(t, { sns: TOPIC }, [['sns:Publish', `${TOPIC}2`]]);
  const other = busArn('111111111111', 'other');
  const { channel: bus } = await stage(t, { eventbridge: 'ops' }, [['events:PutEvents', other]]);

  const [ofTopic, ofBus] = await Promise.all([topic, bus].map((one) => sendOnce(failing, one, 5000)));

  assert.equal(ofTopic?.said, `SNS answers 403 AccessDenied to sns:Publish on ${TOPIC}`);
  assert.equal(ofBus?.said, 'EventBridge answers 400 AccessDeniedException to events:PutEvents on ops');
});

test('a topic that has gone is one sentence', async (t) => {
  const gone = 'arn:aws:sns:eu-central-1:111111111111:Gone';
  const { channel } = await stage(t, { sns: gone }, [['sns:Publish', gone]]);

  assert.equal(
    (await sendOnce(failing, channel, 5000)).said,
    `SNS answers 404 NotFound to sns:Publish on ${gone}`,
  );
});

test('a long reason stays within the bound of an event', async (t) => {
  const { aws, channel } = await stage(t, { eventbridge: 'default' }, [['events:PutEvents', '*']]);
  const changes = failing.changes.map((one) => ({ ...one, reason: 'x'.repeat(10_000) }));
  const many = { ...failing, changes, standing: {} };
  const result = await sendOnce(many, channel, 5000);

  assert.equal(result.isSent, true, result.said);
  assert.equal(String(aws.events.sent[0]?.detail['Reason']).length, 1000, 'a reason has its bound');
});
