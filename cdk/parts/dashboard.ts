/** One page: how long the shortest certificate lasts, whether the hosts serve what they should, what failed. */
import { Duration } from 'aws-cdk-lib';
import { Dashboard, GraphWidget, type Metric, SingleValueWidget } from 'aws-cdk-lib/aws-cloudwatch';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { MetricName } from './metrics.ts';

export interface Shown {
  readonly metric: (name: MetricName) => Metric;
  readonly functions: readonly IFunction[];
  readonly failures: IQueue;
}

export function createDashboard(scope: Construct, { metric, functions, failures }: Shown): Dashboard {
  const graph = (title: string, left: readonly Metric[]) =>
    new GraphWidget({
      title,
      left: [...left],
      width: 12,
      height: 6,
      leftYAxis: { min: 0, showUnits: false },
    });
  return new Dashboard(scope, 'Dashboard', {
    defaultInterval: Duration.days(14),
    widgets: [
      [
        new SingleValueWidget({
          title: 'Now',
          width: 24,
          height: 4,
          metrics: [metric('DaysToExpiry'), metric('CertificatesOverdue'), metric('HostsBehind')],
        }),
      ],
      [
        graph('Days until the first certificate expires', [metric('DaysToExpiry')]),
        graph('Hosts', [metric('HostsBehind'), metric('HostsSilent'), metric('NeedsReload')]),
      ],
      [
        graph('Renewals', [
          metric('RunFinished'),
          metric('CertificatesIssued'),
          metric('CertificatesFailed'),
          metric('CertificatesOverdue'),
          metric('NotifyFailed'),
        ]),
        graph('Errors', [
          ...functions.map((fn) => fn.metricErrors({ period: Duration.hours(1) })),
          failures.metricApproximateNumberOfMessagesVisible({ period: Duration.hours(1) }),
        ]),
      ],
    ],
  });
}
