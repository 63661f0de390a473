/** Metrics that the issuer logs in CloudWatch's embedded metric format. One dimension: the cost does not grow with certificates. */
import { Duration } from 'aws-cdk-lib';
import { Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import type { PassMetrics } from '../../lambda/fleet/metrics.ts';

export const NAMESPACE = 'pemfleet';

/** Name → statistic. The type demands exactly the issuer's metrics: an alarm on a name that no pass writes would stay silent. */
export const METRICS = {
  CertificatesIssued: 'Sum',
  CertificatesFailed: 'Maximum',
  CertificatesOverdue: 'Maximum',
  CertificatesUnconfigured: 'Maximum',
  CertificatesEnding: 'Maximum',
  DaysToExpiry: 'Minimum',
  HostsBehind: 'Maximum',
  HostsSilent: 'Maximum',
  NeedsReload: 'Maximum',
  NotifyFailed: 'Sum',
  RunFinished: 'Sum',
} as const satisfies Record<keyof PassMetrics, string>;

export type MetricName = keyof typeof METRICS;

export function pemfleetMetric(metricName: MetricName, service: string, options?: MetricOptions): Metric {
  return new Metric({
    namespace: NAMESPACE,
    metricName,
    dimensionsMap: { service },
    statistic: METRICS[metricName],
    period: Duration.hours(1),
    ...options,
  });
}
