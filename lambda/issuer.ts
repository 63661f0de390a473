/** Handler of the scheduled Lambda: environment and configuration to dependencies, then one pass. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig, openBucket, runPass } from './compose.ts';
import { checkConfig } from './config.ts';
import { jsonLog } from './log.ts';
import type { Outcome } from './plan.ts';

/** The part of Lambda's context that is used. */
export interface LambdaContext {
  getRemainingTimeInMillis(): number;
}

/** Kept at the end of an invocation for remembering failures and flushing logs. */
const RESERVE_MS = 20_000;

/**
 * `PEMFLEET_CONFIG`: path of pemfleet.yaml as JSON, which lies beside this program; `PEMFLEET_BUCKET` overrides its bucket.
 * @throws AggregateError if any certificate failed, so that the invocation itself is red
 */
export async function handler(_event: unknown, context: LambdaContext): Promise<{ outcomes: Outcome[] }> {
  const now = () => new Date();
  const deadline = new Date(Date.now() + context.getRemainingTimeInMillis() - RESERVE_MS);
  const config = await loadConfig(process.env['PEMFLEET_CONFIG'] ?? 'pemfleet.json', (file, text) =>
    checkConfig(file, JSON.parse(text)),
  );
  const bucket = await openBucket(process.env['PEMFLEET_BUCKET'] ?? config.bucket);
  const outcomes = await runPass(
    bucket,
    config,
    {},
    {
      timing: { now, deadline, sleep: (ms) => sleep(ms) },
      random: () => randomInt(2 ** 32) / 2 ** 32,
      log: jsonLog((line) => process.stdout.write(line), now),
    },
  );
  const failed = outcomes.filter((outcome) => outcome.result === 'failed');
  if (failed.length === 0) return { outcomes };
  const errors = failed.map(
    ({ certificate, error }) => new Error(`${certificate}: ${error?.code} ${error?.message}`),
  );
  throw new AggregateError(errors, `${failed.length} of ${outcomes.length} certificates failed`);
}
