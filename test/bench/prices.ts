/** List prices of us-east-1 in US dollars, as known in November 2026 and not looked up since; free allowances are left out. */
export const PRICES = {
  s3Get: 0.4 / 1e6,
  /** PUT and LIST. */
  s3Put: 5 / 1e6,
  /** A month. */
  objectTag: 0.01 / 10_000,
  kmsKey: 1,
  kmsRequest: 0.03 / 10_000,
  /** On arm64. */
  lambdaGbSecond: 0.0000133334,
  lambdaRequest: 0.2 / 1e6,
  schedulerInvocation: 1 / 1e6,
  logsGb: 0.5,
  metric: 0.3,
  alarm: 0.1,
  dashboard: 3,
  /** ACM's exportable certificates, for each name, at issuance and at each renewal; valid for 198 days. */
  acmName: 7,
  acmWildcard: 79,
} as const;
