/** `notify` of pemfleet.yaml on AWS: exact rights on what its channels name; what a function cannot do is refused at synth. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pemfleetConfigOf } from '../../cdk/index.ts';
import { small, synthesize } from './stacks.ts';

const TOPIC = 'arn:aws:sns:eu-central-1:111122223333:Ops';
const BUS = 'arn:aws:events:eu-central-1:444455556666:event-bus/central';

interface Statement {
  Sid?: string;
  Action: string | string[];
  Resource: unknown;
}

const SIDS = ['Notices', 'Events', 'Receivers'];

function noticeStatements(channels: Record<string, object> | undefined): Statement[] {
  const { template } = synthesize({ ...small, ...(channels && { notify: { channels } }) });
  return Object.values(template.findResources('AWS::IAM::ManagedPolicy'))
    .concat(Object.values(template.findResources('AWS::IAM::Policy')))
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement as Statement[])
    .concat(
      Object.values(template.findResources('AWS::IAM::Role')).flatMap(({ Properties }) =>
        (Properties.Policies ?? []).flatMap(
          (one: { PolicyDocument: { Statement: Statement[] } }) => one.PolicyDocument.Statement,
        ),
      ),
    )
    .filter(({ Sid = '' }) => SIDS.includes(Sid));
}

test('without channels the issuer may tell nobody but the topic of the alarms', () => {
  assert.deepEqual(noticeStatements(undefined), []);
  assert.deepEqual(noticeStatements({ topic: { sns: 'default' } }), []);
});

test('each channel gets the right to what it names, and to nothing else', () => {
  const statements = noticeStatements({
    topic: { sns: TOPIC },
    central: { eventbridge: BUS },
    own: { eventbridge: 'default' },
    chat: {
      webhook: { urlParameter: 'pemfleet/url', secretParameter: '/pemfleet/secret', template: 'slack' },
    },
  });

  assert.deepEqual(statements.map(({ Sid, Action }) => `${Sid} ${Action}`).sort(), [
    'Events events:PutEvents',
    'Notices sns:Publish',
    'Receivers ssm:GetParameter',
  ]);
  const text = JSON.stringify(statements);
  for (const part of [
    TOPIC,
    BUS,
    ':event-bus/default',
    ':parameter/pemfleet/url',
    ':parameter/pemfleet/secret',
  ]) {
    assert.ok(text.includes(part), part);
  }
  assert.doesNotMatch(text, /\*/);
});

test('what a function has not, a mail program or a file, is refused with what to do', () => {
  const refused: [string, object, RegExp][] = [
    ['mail', { sendmail: ['ops@example.com'] }, /notify\.channels\.x\.sendmail: works on a machine only/],
    ['exec', { exec: ['/bin/true'] }, /notify\.channels\.x\.exec: works on a machine only/],
    [
      'files',
      { webhook: { urlFile: 'a', secretFile: 'b' } },
      /x\.webhook\.urlFile: no such file ships[\s\S]*x\.webhook\.secretFile/,
    ],
  ];
  for (const [name, x, says] of refused) {
    assert.throws(() => pemfleetConfigOf({ ...small, notify: { channels: { x } } }), says, name);
  }
});
