/** One page: when the first certificate expires, whether the hosts serve what is published, and what failed. */
import { Duration } from 'aws-cdk-lib';
import { Dashboard, GraphWidget, type Metric, SingleValueWidget } from 'aws-cdk-lib/aws-cloudwatch';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { MetricName } from './metrics.ts';

export interface DashboardSources {
  readonly metric: (name: MetricName) => Metric;
  readonly functions: readonly IFunction[];
  readonly failures: IQueue;
}

export function createDashboard(scope: Construct, sources: DashboardSources): Dashboard {
  const all = (names: readonly MetricName[]) => names.map((name) => sources.metric(name));
  return new Dashboard(scope, 'Dashboard', {
    defaultInterval: Duration.days(14),
    widgets: [
      [currentValues(all(NOW))],
      [graph('Days until the first certificate expires', all(['DaysToExpiry'])), graph('Hosts', all(HOSTS))],
      [graph('Renewals', all(RENEWALS)), graph('Errors', errors(sources))],
    ],
  });
}

const NOW = [
  'DaysToExpiry',
  'CertificatesExpired',
  'CertificatesOverdue',
  'CertificatesFailing',
  'HostsBehind',
] as const satisfies readonly MetricName[];

const RENEWALS = [
  'RunFinished',
  'CertificatesIssued',
  'CertificatesFailing',
  'CertificatesMissing',
  'CertificatesOverdue',
  'CertificatesExpired',
  'CertificatesUnconfigured',
  'CertificatesEnding',
  'NotifyFailed',
] as const satisfies readonly MetricName[];

const HOSTS = [
  'HostsBehind',
  'HostsSilent',
  'HostsMissing',
  'HostsUnproven',
  'OldestProofHours',
  'NeedsReload',
  'DriftRepaired',
  'DriftReturning',
] as const satisfies readonly MetricName[];

function errors({ functions, failures }: DashboardSources): Metric[] {
  const period = Duration.hours(1);
  return [
    ...functions.map((fn) => fn.metricErrors({ period })),
    failures.metricApproximateNumberOfMessagesVisible({ period }),
  ];
}

function currentValues(metrics: Metric[]): SingleValueWidget {
  return new SingleValueWidget({ title: 'Now', width: 24, height: 4, metrics });
}

function graph(title: string, left: Metric[]): GraphWidget {
  return new GraphWidget({ title, left, width: 12, height: 6, leftYAxis: { min: 0, showUnits: false } });
}
