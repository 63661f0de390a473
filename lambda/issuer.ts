/** Handler of the scheduled Lambda: environment and configuration to dependencies, one pass, then the hosts and the metrics. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { checkConfig } from './config/config.ts';
import type { PassMetrics } from './fleet/metrics.ts';
import { RunCommandNotifier } from './fleet/run-command.ts';
import { type Log, levelOf } from './log.ts';
import type { Outcome } from './outcome.ts';
import { afterPass } from './pass/after-pass.ts';
import { loadConfigFile, openBucket, runPass } from './wiring.ts';

/** The part of Lambda's context that is used. */
export interface LambdaContext {
  getRemainingTimeInMillis(): number;
}

/** Kept at the end of an invocation for remembering failures, telling hosts and flushing logs. */
const RESERVE_MS = 20_000;

/** The alarms look for this one dimension. */
const serviceName = process.env['POWERTOOLS_SERVICE_NAME'] ?? 'pemfleet';
const logger = new Logger({ serviceName });
const metrics = new Metrics({ namespace: 'pemfleet', serviceName });
const log: Log = (event, fields = {}) => logger[levelOf(event)](event, fields);

/**
 * `PEMFLEET_CONFIG`: path of pemfleet.yaml as JSON, which lies beside this program; `PEMFLEET_BUCKET` overrides its bucket;
 * `PEMFLEET_NOTIFY_DOCUMENT`: name of the SSM document that tells hosts; without it they are left to their polls.
 * @throws AggregateError if any certificate failed, so that the invocation itself is red
 */
export async function handler(_event: unknown, context: LambdaContext): Promise<{ outcomes: Outcome[] }> {
  const now = () => new Date();
  const deadline = new Date(Date.now() + context.getRemainingTimeInMillis() - RESERVE_MS);
  const config = await loadConfigFile(process.env['PEMFLEET_CONFIG'] ?? 'pemfleet.json', (file, text) =>
    checkConfig(file, JSON.parse(text)),
  );
  const bucket = await openBucket(process.env['PEMFLEET_BUCKET'] ?? config.bucket);
  const timing = { now, deadline, sleep: (ms: number) => sleep(ms) };
  const random = () => randomInt(2 ** 32) / 2 ** 32;
  const result = await runPass(bucket, config, {}, { timing, random, log });
  const document = process.env['PEMFLEET_NOTIFY_DOCUMENT'];
  const notifier = document ? new RunCommandNotifier(document) : undefined;
  emit(await afterPass({ bucket, notifier, log, now: now() }, result));
  return failIfAny(result.outcomes);
}

/** Embedded metric format: a line of the log that CloudWatch reads. No dimension but the service: each would cost. */
function emit(figures: PassMetrics): void {
  for (const [name, value] of Object.entries(figures)) {
    const unit = name === 'DaysToExpiry' ? MetricUnit.NoUnit : MetricUnit.Count;
    metrics.addMetric(name, unit, value);
  }
  metrics.publishStoredMetrics();
}

function failIfAny(outcomes: Outcome[]): { outcomes: Outcome[] } {
  const failed = outcomes.filter((outcome) => outcome.result === 'failed');
  if (failed.length === 0) return { outcomes };
  const errors = failed.map(
    ({ certificate, error }) => new Error(`${certificate}: ${error?.code} ${error?.message}`),
  );
  throw new AggregateError(errors, `${failed.length} of ${outcomes.length} certificates failed`);
}
