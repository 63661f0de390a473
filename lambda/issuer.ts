/** Handler of the scheduled Lambda: makes dependencies of environment and configuration, runs one pass, notifies the hosts, emits the metrics. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import {
  answerCustomResource,
  type CustomResourceEvent,
  isCustomResourceEvent,
} from '#common/net/custom-resource.ts';
import { printable } from '#common/printable.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { openBucket } from '#storage/open.ts';
import { functionActor } from './audit/actor.ts';
import { AuditTrail } from './audit/trail.ts';
import { type CommandAlias, commandAlias, isCommandEvent } from './commands/remote/event.ts';
import type { CommandAnswer } from './commands/remote/protocol.ts';
import { type Config, checkConfig } from './config/config.ts';
import type { NotifySettings } from './config/notify/notify.ts';
import type { PassMetrics } from './figures/metrics.ts';
import type { Problem } from './figures/problems.ts';
import { problemText } from './figures/rises.ts';
import { SnsTopic } from './figures/sns-topic.ts';
import { RunCommandNotifier } from './fleet/run-command.ts';
import { functionIdentity } from './identity/identity.ts';
import { type Fields, type Log, levelOf } from './log.ts';
import { openChannels, servesAlarmTopic } from './notification/channels/open-channels.ts';
import { sendPending } from './notification/notify-changes.ts';
import type { Outcome } from './outcome.ts';
import { afterPass } from './pass/after-pass.ts';
import { endInvocation, RESERVE_MS } from './pass/end-of-invocation.ts';
import { passNotBegun } from './pass/run-pass.ts';
import type { Pass, PassOptions } from './pass.ts';
import { probeNames } from './probe/probe-names.ts';
import { TrustParameter } from './signing/trust-parameter.ts';
import { loadConfigFile, runPassExclusively } from './wiring.ts';

/** The part of Lambda's context that is used. */
export interface LambdaContext {
  getRemainingTimeInMillis(): number;
  readonly invokedFunctionArn: string;
  readonly awsRequestId?: string;
}

/** Of the first pass. */
const [RIGHTS_ATTEMPTS, RIGHTS_PAUSE_MS] = [5, 15_000];

/** Named beside the figures. */
const WORST = 3;

/** The alarms watch this one dimension. */
const serviceName = process.env['POWERTOOLS_SERVICE_NAME'] ?? 'pemfleet';
const logger = new Logger({ serviceName });
const metrics = new Metrics({ namespace: 'pemfleet', serviceName });
const log: Log = (event, fields = {}) => logger[levelOf(event)](event, printableFields(fields));

/**
 * `PEMFLEET_CONFIG`: path of pemfleet.yaml as JSON (default: `pemfleet.json`, beside this program); `PEMFLEET_BUCKET` overrides its bucket;
 * `PEMFLEET_NOTIFY_DOCUMENT`: name of the SSM document that notifies hosts; without it they only poll;
 * `PEMFLEET_DEPLOYMENT`: the deployment in the tags of its hosts (`<deployment>/<fleet>`); without it the tags hold the fleet alone;
 * `PEMFLEET_ALARM_TOPIC`: ARN of the SNS topic that gets names when a level rises; without it they are logged only;
 * `PEMFLEET_TRUST_PARAMETER`: name of the SSM parameter from which hosts take the key that they trust first.
 * @throws AggregateError if any certificate failed, or hosts could not be read, so that the invocation itself fails: after the metrics
 */
export async function handler(
  event: unknown,
  context: LambdaContext,
): Promise<{ outcomes: Outcome[] } | CommandAnswer> {
  const alias = commandAlias(context.invokedFunctionArn);
  // By these aliases come commands only: what else could be asked of the function, the scheduler asks without one.
  if (alias !== undefined) return answerCommand(event, alias, context);
  if (isCommandEvent(event)) {
    throw new Error(
      'a command was sent without an alias: wanted read or change behind the name of the function; nothing was done',
    );
  }
  if (!isCustomResourceEvent(event)) return pass(context, {});
  return deploymentPass(event, context);
}

async function answerCommand(
  event: unknown,
  alias: CommandAlias,
  context: LambdaContext,
): Promise<CommandAnswer> {
  const { invokedFunctionArn: functionArn, awsRequestId: requestId = 'unknown' } = context;
  // A bundle of its own (build.ts): no pass loads it.
  const { runRemotely } = await import('./commands/remote/run-remotely.ts');
  const { answer, command, by, status } = await runRemotely(event, {
    ...{ alias, functionArn, requestId, deadline: deadlineOf(context) },
    ...{ bucketUrl: process.env['PEMFLEET_BUCKET'], loadConfig },
  });
  log('command.answered', { command, alias, by, request: requestId, status });
  return answer;
}

/**
 * CloudFormation makes the alarm RunFinished after this pass, so that it begins with a datum. The pass orders nothing, for HAProxy may not yet
 * send challenges here; and it never fails the deployment: a configuration that does not work is for the alarms.
 */
async function deploymentPass(
  event: CustomResourceEvent,
  context: LambdaContext,
): Promise<{ outcomes: Outcome[] }> {
  try {
    return event.RequestType === 'Create' ? await firstPass(context) : { outcomes: [] };
  } catch (error) {
    log('first-pass.failed', { code: codeOf(error), error: messageOf(error) });
    return { outcomes: [] };
  } finally {
    await answerCustomResource(event, { physicalId: 'first-pass' });
  }
}

/** The rights of a role that was just made need some time until all of AWS knows them. */
async function firstPass(context: LambdaContext): Promise<{ outcomes: Outcome[] }> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await pass(context, { dryRun: true });
    } catch (error) {
      if (attempt === RIGHTS_ATTEMPTS || codeOf(error) !== 'ERR_BUCKET_DENIED') throw error;
      await sleep(RIGHTS_PAUSE_MS);
    }
  }
}

async function pass(context: LambdaContext, options: PassOptions): Promise<{ outcomes: Outcome[] }> {
  const now = () => new Date();
  const deadline = deadlineOf(context);
  const config = await loadConfig();
  const bucket = await openBucket(process.env['PEMFLEET_BUCKET'] ?? config.bucket);
  const timing = { now, deadline, sleep: (ms: number) => sleep(ms) };
  const random = () => randomInt(2 ** 32) / 2 ** 32;
  const identity = functionIdentity(context.invokedFunctionArn);
  const parameter = process.env['PEMFLEET_TRUST_PARAMETER'];
  const trustParameter = parameter ? new TrustParameter(parameter) : undefined;
  const audit = new AuditTrail(bucket, functionActor(context.invokedFunctionArn), now);
  const request = { bucket, config, options, timing, random, log, identity, trustParameter, audit };
  const result = await runPassExclusively(request).catch((error: unknown) => passNotBegun(config, error));
  const document = process.env['PEMFLEET_NOTIFY_DOCUMENT'];
  const notifier = document
    ? new RunCommandNotifier(document, process.env['PEMFLEET_DEPLOYMENT'])
    : undefined;
  const topicArn = process.env['PEMFLEET_ALARM_TOPIC'];
  const isTold = servesAlarmTopic(config.notify, topicArn);
  const topic = topicArn && !isTold ? new SnsTopic(topicArn, process.env) : undefined;
  // A dry run tells nobody.
  const notify = options.dryRun ? undefined : config.notify;
  const told = { bucket, config, timing, log, topic, isTold: notify !== undefined };
  const ended = await afterPass(told, notifier, result);
  const { failures } = ended;
  const probed = await probeNames({ bucket, config, timing, log }, result);
  emit({ ...ended.metrics, ...probed }, ended.problems);
  // Last: whatever becomes of page and receivers, the figures are out.
  await endInvocation({
    remainingMs: () => context.getRemainingTimeInMillis(),
    page: options.dryRun ? undefined : () => writePage({ config, timing, log }),
    receivers: notify && ((withinMs) => tell({ bucket, config, log }, notify, withinMs)),
  });
  if (result.error !== undefined) throw result.error;
  return failIfAny(result.outcomes, failures);
}

/** What the pass has kept for receivers. What there is no time for, the next pass sends. */
async function tell(
  { bucket, config, log }: Pick<Pass, 'bucket' | 'config' | 'log'>,
  settings: NotifySettings,
  withinMs: number,
): Promise<void> {
  const now = new Date();
  const channels = openChannels(settings, { env: process.env, now: () => new Date() });
  const { wakeMinutes } = config;
  await sendPending({ bucket, log, now, settings, channels, wakeMinutes, withinMs }).catch((error: unknown) =>
    log('notice.failed', { code: codeOf(error), error: messageOf(error) }),
  );
}

/** Whoever wants no page does not load what makes it. */
async function writePage(pass: Pick<Pass, 'config' | 'timing' | 'log'>): Promise<void> {
  if (!pass.config.statusPage) return;
  try {
    const { writeStatusPageAt } = await import('./commands/remote/run-remotely.ts');
    await writeStatusPageAt(process.env['PEMFLEET_BUCKET'] ?? pass.config.bucket, pass);
  } catch (error) {
    pass.log('status-page.failed', { code: codeOf(error), error: messageOf(error) });
  }
}

function deadlineOf(context: LambdaContext): Date {
  return new Date(Date.now() + context.getRemainingTimeInMillis() - RESERVE_MS);
}

function loadConfig(): Promise<Config> {
  return loadConfigFile(process.env['PEMFLEET_CONFIG'] ?? 'pemfleet.json', (file, text) =>
    checkConfig(file, JSON.parse(text)),
  );
}

/** Whoever reads the log group in a terminal. */
function printableFields(fields: Fields): Fields {
  const made = Object.entries(fields).map(([name, value]) => {
    if (typeof value === 'string') return [name, printable(value)];
    return [name, Array.isArray(value) ? value.map(printable) : value];
  });
  return Object.fromEntries(made);
}

/** Embedded metric format: a log line that CloudWatch reads. No dimension but the service: each one costs. */
function emit(values: PassMetrics, problems: readonly Problem[]): void {
  // A property of the record, which no metric has.
  if (problems.length > 0) metrics.addMetadata('worst', problems.slice(0, WORST).map(problemText).join('; '));
  for (const [name, value] of Object.entries(values)) {
    const unit = name === 'DaysToExpiry' ? MetricUnit.NoUnit : MetricUnit.Count;
    metrics.addMetric(name, unit, value);
  }
  metrics.publishStoredMetrics();
}

function failIfAny(outcomes: Outcome[], failures: readonly unknown[]): { outcomes: Outcome[] } {
  const failed = outcomes.filter((outcome) => outcome.result === 'failed');
  if (failed.length === 0 && failures.length > 0) {
    throw new AggregateError(
      failures,
      `what hosts report could not be read: ${failures.map(messageOf).join('; ')}`,
    );
  }
  if (failed.length === 0) return { outcomes };
  const errors = failed.map(
    ({ certificate, error }) => new Error(printable(`${certificate}: ${error?.code} ${error?.message}`)),
  );
  const [first] = errors;
  throw new AggregateError(
    errors,
    `${failed.length} of ${outcomes.length} certificates failed, the first: ${first?.message}`,
  );
}
