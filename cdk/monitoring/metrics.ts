/** What the issuer tells by EMF in its log (docs/runbook.md has a section for each alarm). One dimension, so the cost does not grow with certificates. */
import { Duration } from 'aws-cdk-lib';
import { Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import type { PassMetrics } from '../../lambda/fleet/metrics.ts';

export const NAMESPACE = 'pemfleet';

/** Name → statistic. The issuer's figures, all of them: an alarm on a name that nobody tells would be silent for ever. */
export const METRICS = {
  CertificatesIssued: 'Sum',
  CertificatesFailed: 'Maximum',
  CertificatesOverdue: 'Maximum',
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
