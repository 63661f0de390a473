/** `pemfleet run` and `pemfleet plan`: one pass, or what it would do. */
import { codeOf, messageOf } from '#contract/errors.ts';
import { sendPending } from '../notification/notify-changes.ts';
import { isUnmet } from '../outcome.ts';
import { writeStatusPage } from '../page/write-page.ts';
import { afterPass } from '../pass/after-pass.ts';
import { MIN_ORDER_MS } from '../pass/issuing/issue.ts';
import type { Decided } from '../pass/run-pass.ts';
import type { Pass } from '../pass.ts';
import type { PreflightFinding } from '../preflight/finding.ts';
import { limitFindings } from '../preflight/preflight.ts';
import { probeNames } from '../probe/probe-names.ts';
import { runPassExclusively } from '../wiring.ts';
import {
  type Command,
  loadConfigAndBucket,
  now,
  openAuditTrail,
  ownIdentity,
  passEnvironmentOf,
  print,
  printResult,
  printToStderr,
  specOf,
} from './command.ts';
import { checkAll, exitStatusOfPreflight, findingTable } from './dns/check.ts';
import { daysOf, futureDocument, futureText, readFuture } from './future/days.ts';
import { type CommandValues, UsageError } from './line/options.ts';
import { machineChannels } from './notification/machine-channels.ts';
import { notifyHosts } from './notify.ts';
import {
  burstLines,
  EXIT,
  exitStatusOfOutcomes,
  lostLines,
  outcomeTable,
  revocationLines,
  unconfiguredLines,
  unmetLines,
  wakeLine,
} from './output.ts';
import { writeFigures } from './textfile.ts';

/** To read the bucket, before the first order. */
const MIN_SURVEY_MS = 10_000;
/** Receivers have this long at least: the unit ends a pass later. */
const MIN_NOTIFY_MS = 5_000;

export const runCommand: Command = async (values) => {
  const seconds = Number(values.timeout);
  const least = (MIN_ORDER_MS + MIN_SURVEY_MS) / 1000;
  if (!values['dry-run'] && seconds < least) {
    const why = `no order is begun with less than ${MIN_ORDER_MS / 1000} s left`;
    throw new UsageError(`--timeout wants ${least} seconds or more, saw ${values.timeout}: ${why}`);
  }
  return pass(values, values['dry-run']);
};

/** `pemfleet renew NAME…`: `run --force-renewal --only NAME…`, in a word. */
export const renewCommand: Command = async (values, operands) => {
  if (operands.length === 0) throw new UsageError('renew wants the names of certificates, saw none');
  return runCommand({ ...values, only: [...operands], 'force-renewal': true }, []);
};

/** With `--check`, what is known to be wrong comes before what a plan says. */
export const planCommand: Command = async (values) => {
  daysOf(values.days);
  if (!values.check) return pass(values, true);
  const findings = await checkAll(values);
  return pass(values, true, findings);
};

async function pass(
  values: CommandValues,
  dryRun: boolean,
  checked?: readonly PreflightFinding[],
): Promise<number> {
  const { config, bucket } = await loadConfigAndBucket(values, dryRun ? 'read' : 'write');
  const only = values.only?.map((name) => specOf(config, name).name);
  const isMeant = values['replace-trusted'];
  const options = { dryRun, force: values['force-renewal'], replaceTrusted: isMeant, only };
  const environment = passEnvironmentOf(values);
  const identity = await ownIdentity(values);
  const trustParameter = await openTrustParameter();
  const audit = openAuditTrail(bucket, values);
  const request = { bucket, config, options, identity, trustParameter, audit, ...environment };
  const days = daysOf(values.days);
  const known: Decided[] = [];
  const from = now();
  const result = await runPassExclusively(request, (decided) => known.push(decided));
  const { outcomes, unconfigured = [], revocations, wakeProblem, bursts = [] } = result;
  const [decided] = known;
  const future =
    days && decided && (await readFuture({ bucket, config }, decided, unconfigured, { days, now: from }));
  const unkept: unknown[] = [];
  if (!dryRun) {
    await notifyHosts(environment.log, result);
    // What hosts report is kept for the next pass: which sequences they have read, and whether they need version 1.
    const told = { bucket, config, isTold: true, ...environment };
    const { metrics, failures } = await afterPass(told, undefined, result);
    unkept.push(...failures);
    const probed = await probeNames({ bucket, config, ...environment }, result);
    await writeFigures(config, { ...metrics, ...probed });
    await writeStatusPage({ bucket, config, ...environment });
    await sendNotices({ bucket, config, ...environment });
  }
  const findings = checked && [...checked, ...limitFindings(outcomes)];
  if (values.json) {
    const forecast = future && futureDocument(future);
    const said = { outcomes, unconfigured, revocations, wakeProblem, bursts, findings, forecast };
    printResult({ 'dry-run': dryRun }, said);
  } else {
    const lines = [lostLines(outcomes), unconfiguredLines(unconfigured), revocationLines(revocations ?? [])];
    lines.push(wakeLine(wakeProblem), burstLines(bursts));
    const checks = findings === undefined ? [] : [findingTable(findings)];
    printToStderr(outcomeTable(outcomes) + [...lines, ...checks].join(''));
    if (future) print(futureText(future));
  }
  if (result.error !== undefined) throw result.error;
  const worst = findings === undefined ? EXIT.ok : exitStatusOfPreflight(findings);
  if (worst !== EXIT.ok) return worst;
  // A plan has tried nothing.
  const waits = outcomes.map(({ failure: _, ...rest }) => ({ ...rest, serial: rest.serial ?? '' }));
  const status = exitStatusOfOutcomes(dryRun ? waits : outcomes);
  // What was asked for by name, and was not done.
  const unmet = only && options.force && !dryRun ? outcomes.filter(isUnmet) : [];
  printToStderr(unmetLines(unmet));
  if (unkept.length > 0) {
    printToStderr(`what hosts report could not be read or kept: ${unkept.map(messageOf).join('; ')}\n`);
    if (status === EXIT.ok) return EXIT.failed;
  }
  if (status === EXIT.ok && unmet.length > 0) {
    return unmet.length === outcomes.length ? EXIT.failed : EXIT.partlyFailed;
  }
  const isRevocationFailed = revocations?.some(({ result: state }) => state === 'failed') ?? false;
  return status === EXIT.ok && isRevocationFailed ? EXIT.partlyFailed : status;
}

/** Last: receivers may hang. What they do not take, the next pass sends. */
async function sendNotices({
  bucket,
  config,
  log,
  timing,
}: Pick<Pass, 'bucket' | 'config' | 'log' | 'timing'>) {
  const { notify: settings, wakeMinutes } = config;
  const channels = machineChannels(config, log);
  if (settings === undefined || channels === undefined) return;
  const withinMs = Math.max(MIN_NOTIFY_MS, timing.deadline.getTime() - Date.now());
  const options = { bucket, log, now: now(), settings, channels, wakeMinutes, withinMs };
  await sendPending(options).catch((error: unknown) =>
    log('notice.failed', { code: codeOf(error), error: messageOf(error) }),
  );
}

/** Loaded where it is needed only: it is half of the SDK. */
async function openTrustParameter() {
  const name = process.env['PEMFLEET_TRUST_PARAMETER'];
  return name ? new (await import('../signing/trust-parameter.ts')).TrustParameter(name) : undefined;
}
