/** Alarms are on by default and notify a topic, and each has a section in the runbook. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { App, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { Construct } from 'constructs';
import { Pemfleet, pemfleetConfigOf } from '../../cdk/index.ts';
import { METRICS } from '../../cdk/monitoring/metrics.ts';
import { WATCHED } from '../bench/cost.ts';
import { small, synthesize } from './stacks.ts';

const { template } = synthesize(small, { alarmEmails: ['ops@example.com'] });
const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(
  (alarm) => alarm['Properties'],
);
const names = alarms.map((alarm) => alarm.MetricName);

test('alarms: one for each metric that shows a fault (CertificatesOverdue covers DaysToExpiry, CertificatesEnding what is unconfigured, HostsUnproven the oldest proof, DriftReturning what is repaired)', () => {
  // NamesWrong only where a probe is scheduled.
  const figures = ['CertificatesIssued', 'CertificatesUnconfigured', 'DaysToExpiry', 'NamesWrong'];
  figures.push('OldestProofHours', 'DriftRepaired', 'CertificatesHeld');
  assert.deepEqual([...names, ...figures].sort(), Object.keys(METRICS).sort());
  assert.equal(names.length, WATCHED.alarms);
});

test('alarms: a scheduled probe has one of its own', () => {
  const { template: own } = synthesize({ ...small, probe: true });

  own.resourcePropertiesCountIs('AWS::CloudWatch::Alarm', { MetricName: 'NamesWrong' }, 1);
});

test('alarms: the topic is notified when an alarm begins and when it ends', () => {
  for (const alarm of alarms) {
    assert.equal(alarm.AlarmActions.length, 1, alarm.MetricName);
    assert.deepEqual(alarm.AlarmActions, alarm.OKActions);
  }
  template.hasResourceProperties('AWS::SNS::Subscription', {
    Protocol: 'email',
    Endpoint: 'ops@example.com',
  });
  template.hasResourceProperties('AWS::SNS::TopicPolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([
        Match.objectLike({ Effect: 'Allow', Principal: { Service: 'cloudwatch.amazonaws.com' } }),
      ]),
    },
  });
});

test('alarms: missing data is an alarm for the issuer only, and keeps the state of all others', () => {
  for (const { MetricName, TreatMissingData } of alarms) {
    assert.equal(TreatMissingData, MetricName === 'RunFinished' ? 'breaching' : 'ignore', MetricName);
  }
});

test('C8: alarms: the description says what it means, the command that names it, and where the runbook is', () => {
  const { template: own } = synthesize(small, { runbookUrl: 'https://wiki.example.com/pemfleet' });
  const [behind] = Object.values(
    own.findResources('AWS::CloudWatch::Alarm', { Properties: { MetricName: 'HostsBehind' } }),
  );

  assert.equal(
    behind?.['Properties'].AlarmDescription,
    'pemfleet: A host does not serve what is published, or reports an error.\nCommand: pemfleet status\nRunbook: https://wiki.example.com/pemfleet#hostsbehind',
  );
  for (const { AlarmDescription, MetricName } of alarms) {
    assert.match(
      AlarmDescription,
      /^pemfleet: .+\nCommand: \S.+\nRunbook: docs\/runbook\.md#[a-z]+$/,
      MetricName,
    );
    assert.ok(AlarmDescription.length <= 1024);
  }
});

test('C8: alarms: a name that people can read, and that no other deployment has', () => {
  const app = new App();
  const stack = new Stack(app, 'Edge');
  for (const id of ['Pemfleet', 'Second', 'x'.repeat(100)]) {
    new Pemfleet(stack, id, { config: pemfleetConfigOf(small) });
  }
  new Pemfleet(new Construct(stack, 'Deep'), 'Pemfleet', { config: pemfleetConfigOf(small) });
  const made = Object.values(Template.fromStack(stack).findResources('AWS::CloudWatch::Alarm'));
  const all = made.map((alarm) => alarm['Properties'].AlarmName);

  assert.ok(all.includes('Edge-CertificatesFailing') && all.includes('Edge-Second-CertificatesFailing'));
  assert.ok(all.includes('Edge-Deep-Pemfleet-CertificatesFailing'));
  assert.equal(new Set(all).size, all.length);
  assert.ok(all.every((name) => name.length <= 255));
  assert.deepEqual(
    alarms.map(({ AlarmName, MetricName }) => AlarmName.endsWith(`-${MetricName}`)),
    alarms.map(() => true),
  );
});

test('alarms: the only dimension is the service, so the cost does not grow with certificates', () => {
  for (const { Dimensions } of alarms) {
    assert.deepEqual(Dimensions, [{ Name: 'service', Value: 'Pemfleet' }]);
  }
});

test('alarms and dashboard can be switched off', () => {
  const { template: quiet } = synthesize(small, { alarms: false, dashboard: false });

  for (const type of ['AWS::CloudWatch::Alarm', 'AWS::SNS::Topic', 'AWS::CloudWatch::Dashboard']) {
    quiet.resourceCountIs(type, 0);
  }
});

/** What no metric shows. */
const INCIDENTS = [
  'A CA revokes many certificates, or keys are known to others',
  'A renewal broke something',
  'The bucket is lost, or was restored',
  'The wire shows another certificate',
  "Somebody wrote to the bucket, or has the issuer's key",
  'Who changed that, and what was served until when?',
];

test('runbook: a section for each alarm and each of these incidents, and no others', () => {
  const runbook = readFileSync(fileURLToPath(new URL('../../docs/runbook.md', import.meta.url)), 'utf8');
  const sections = [...runbook.matchAll(/^## (.+)$/gm)].map(([, title]) => title);

  assert.deepEqual(sections.sort(), [...names, 'NamesWrong', ...INCIDENTS].sort());
});
