// The topic of the alarms on the wire: as strict as AWS, and moto for a second opinion.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SnsTopic } from '../../../../lambda/figures/sns-topic.ts';
import { allow, startBench } from '../../../aws/clients.ts';
import { startMoto } from '../../../support/parts/moto.ts';
import { request } from '../../../support/request.ts';

const message = {
  subject: 'pemfleet: HostsSilent 1',
  text: 'HostsSilent: 1\n- default/lb1 silent & more = ü\n',
};

test('a message comes to the topic, signed, by the right on that topic alone', async (t) => {
  const aws = await startBench(t);
  const [topic, other] = [aws.sns.createTopic('Alarms'), aws.sns.createTopic('Other')];
  const { env } = aws.principal({ name: 'issuer', policies: [allow('sns:Publish', topic)] });

  await new SnsTopic(topic, env).publish(message);

  assert.deepEqual(aws.sns.messages, [{ topic, ...message, attributes: {} }]);
  await assert.rejects(
    new SnsTopic(other, env).publish(message),
    /SNS answers 403 AccessDenied to sns:Publish on arn:aws:sns:/,
  );
  await assert.rejects(new SnsTopic(`${topic}2`, aws.administrator.env).publish(message), /404 NotFound/);
  await assert.rejects(
    new SnsTopic('Alarms', env).publish(message),
    /PEMFLEET_ALARM_TOPIC: wanted the ARN .* saw Alarms/,
  );
});

test('a topic that does not answer is an error that says so', async (t) => {
  const aws = await startBench(t);
  const topic = aws.sns.createTopic('Alarms');
  aws.fault({ operation: 'Publish' }, { before: 'reset' });

  await assert.rejects(new SnsTopic(topic, aws.administrator.env).publish(message), /SNS does not answer: /);
});

test('moto takes the message, and hands it to who subscribes', async (t) => {
  const moto = await startMoto();
  t.after(moto.stop);
  const account = '123456789012';
  const ask = async (service: string, form: Record<string, string>) => {
    const authorization = `AWS4-HMAC-SHA256 Credential=testing/20261122/${moto.region}/${service}/aws4_request`;
    const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' };
    const body = new URLSearchParams(form).toString();
    return (await request(`${moto.endpoint}/`, { method: 'POST', headers, body })).body.toString();
  };
  const [topic, queue] = ['sns', 'sqs'].map((name) => `arn:aws:${name}:${moto.region}:${account}:Alarms`);
  const [snsApi, sqsApi] = [{ Version: '2010-03-31' }, { Version: '2012-11-05' }];
  await ask('sns', { ...snsApi, Action: 'CreateTopic', Name: 'Alarms' });
  await ask('sqs', { ...sqsApi, Action: 'CreateQueue', QueueName: 'Alarms' });
  const subscription = { TopicArn: `${topic}`, Protocol: 'sqs', Endpoint: `${queue}` };
  await ask('sns', { ...snsApi, Action: 'Subscribe', ...subscription });

  await new SnsTopic(`${topic}`, moto.env).publish(message);

  const QueueUrl = `${moto.endpoint}/${account}/Alarms`;
  const received = await ask('sqs', { ...sqsApi, Action: 'ReceiveMessage', QueueUrl });
  assert.match(received, /pemfleet: HostsSilent 1/);
  assert.match(received, /default\/lb1 silent &amp;(amp;)? more/);
});
