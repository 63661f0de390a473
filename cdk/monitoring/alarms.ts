/**
 * Alarms that reach operators before users notice. Each is on a level of the same name (lambda/figures/), and has a section in
 * docs/runbook.md.
 */
import { Duration } from 'aws-cdk-lib';
import { type Alarm, ComparisonOperator, type Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct, IDependable } from 'constructs';
import { LEVELS, type Level, PERIODS, periodMinutes } from '../../lambda/figures/levels.ts';
import { deploymentName } from '../settings/deployment-name.ts';
import type { PemfleetProps } from '../settings/props.ts';
import type { MetricName } from './metrics.ts';

/** The alarms of a deployment and the topic that they notify. */
export interface Alarms {
  readonly topic: ITopic;
  readonly alarms: readonly Alarm[];
}

/** Where a description sends people: the runbook of this package. */
const RUNBOOK = 'docs/runbook.md';

const STATUS = 'pemfleet status';

/** `NamesWrong` only where a probe is scheduled: its metric costs. */
type AlarmName = Level | 'RunFinished' | 'NamesWrong';

/**
 * CloudWatch sends a description as it stands: what is wrong, and the command that names it.
 * @internal
 */
export const TEXTS: Readonly<Record<AlarmName, readonly [meaning: string, command: string]>> = {
  CertificatesExpired: ['A certificate that is published, or that a host serves, has expired.', STATUS],
  CertificatesOverdue: ['A certificate is well past its renewal time.', 'pemfleet plan'],
  CertificatesMissing: ['A configured certificate has never been published.', 'pemfleet plan'],
  CertificatesFailing: [
    'The last attempt to order a certificate failed; it may be backing off.',
    'pemfleet plan',
  ],
  CertificatesEnding: ['A certificate that hosts serve ends within 14 days, and nothing renews it.', STATUS],
  HostsBehind: ['A host does not serve what is published, or reports an error.', STATUS],
  HostsSilent: ['A host has not reported for three hours.', STATUS],
  HostsMissing: ['A host that hosts.expected names or counts has never reported.', STATUS],
  NeedsReload: ['A HAProxy needs a reload to serve an installed certificate.', STATUS],
  HostsUnproven: ['A host serves certificates that no handshake has shown for a long time.', STATUS],
  DriftReturning: ['The same difference is found and repaired on a host day after day.', STATUS],
  NotifyFailed: ['A fleet could not be notified of a change; its hosts find it when they poll.', STATUS],
  NamesWrong: ['An address that clients find by DNS shows another certificate, or none.', 'pemfleet probe'],
  RunFinished: ['No issuer run has completed for three periods: nothing is renewed.', 'aws lambda invoke'],
};

/** A pass that fails, too, writes every level. Where none is written, the state stays as it is, and RunFinished is the alarm. */
const LEVEL_ALARM = {
  threshold: 1,
  comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
  treatMissingData: TreatMissingData.IGNORE,
};

/** One pass may meet an address that is away for a moment. */
const NAMES_ALARM = { ...LEVEL_ALARM, evaluationPeriods: 2, datapointsToAlarm: 2 };

/** Its silence is the fault. */
const DEAD_MAN_ALARM = {
  threshold: 1,
  comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
  treatMissingData: TreatMissingData.BREACHING,
  evaluationPeriods: 3,
  datapointsToAlarm: 3,
};

/** What alarms need beside their metrics. */
export interface AlarmParts {
  readonly topic: ITopic;
  /** Without its datum, RunFinished would begin with an alarm. */
  readonly firstPass: IDependable;
}

/** @internal */
export function createAlarms(
  scope: Construct,
  { topic, firstPass }: AlarmParts,
  props: PemfleetProps,
  metric: (name: MetricName) => Metric,
): Alarms {
  const period = Duration.minutes(periodMinutes(props.config.config.wakeMinutes));
  const { runbookUrl = RUNBOOK } = props;
  const deployment = deploymentName(scope.node.scope as Construct);
  const create = (name: AlarmName, settings: typeof DEAD_MAN_ALARM | LevelSettings) => {
    const [meaning, command] = TEXTS[name];
    return metric(name)
      .with({ period })
      .createAlarm(scope, name, {
        // CloudFormation replaces an alarm whose name changes, and cannot make one whose name another has.
        alarmName: `${deployment}-${name}`,
        alarmDescription: `pemfleet: ${meaning}\nCommand: ${command}\nRunbook: ${runbookUrl}#${name.toLowerCase()}`,
        ...settings,
      });
  };
  const deadMan = create('RunFinished', DEAD_MAN_ALARM);
  deadMan.node.addDependency(firstPass);
  const alarms = [
    ...LEVELS.map((level) => create(level, levelSettings(level))),
    deadMan,
    ...(props.config.config.probe.scheduled ? [create('NamesWrong', NAMES_ALARM)] : []),
  ];
  for (const alarm of alarms) {
    alarm.addAlarmAction(new SnsAction(topic));
    alarm.addOkAction(new SnsAction(topic));
  }
  return { topic, alarms };
}

type LevelSettings = ReturnType<typeof levelSettings>;

function levelSettings(level: Level) {
  return { ...LEVEL_ALARM, evaluationPeriods: PERIODS[level], datapointsToAlarm: PERIODS[level] };
}
