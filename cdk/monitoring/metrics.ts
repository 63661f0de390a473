/** Metrics that the issuer logs in CloudWatch's embedded metric format. One dimension: the cost does not grow with certificates. */
import { Duration } from 'aws-cdk-lib';
import { Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import type { PassMetrics } from '../../lambda/figures/metrics.ts';

export const NAMESPACE = 'pemfleet';

/** Name → statistic. The type demands exactly the issuer's metrics: an alarm on a name that no pass writes would stay silent. */
export const METRICS = {
  CertificatesIssued: 'Sum',
  CertificatesExpired: 'Maximum',
  CertificatesOverdue: 'Maximum',
  CertificatesMissing: 'Maximum',
  CertificatesFailing: 'Maximum',
  CertificatesEnding: 'Maximum',
  CertificatesUnconfigured: 'Maximum',
  CertificatesHeld: 'Maximum',
  DaysToExpiry: 'Minimum',
  HostsBehind: 'Maximum',
  HostsSilent: 'Maximum',
  HostsMissing: 'Maximum',
  HostsUnproven: 'Maximum',
  OldestProofHours: 'Maximum',
  NeedsReload: 'Maximum',
  DriftRepaired: 'Maximum',
  DriftReturning: 'Maximum',
  NotifyFailed: 'Maximum',
  NamesWrong: 'Maximum',
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
