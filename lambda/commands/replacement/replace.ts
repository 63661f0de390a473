/**
 * `pemfleet replace`: asks the issuer to replace certificates before they are due, says how far that has come, or ends it. It only writes
 * into the bucket; passes do the work.
 */
import { codeOf, messageOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type Config, configuredFleets } from '../../config/config.ts';
import type { DrillResult } from '../../drill/drill.ts';
import { drillFromBucket } from '../../drill/drill-from-bucket.ts';
import { storeTime } from '../../identity/store-clock.ts';
import { openKeysToRead } from '../../publication/readers/keys.ts';
import { progressOf } from '../../replacement/progress.ts';
import { type PublishedCertificates, readPublishedCertificates } from '../../replacement/published.ts';
import {
  cancelRequests,
  changeRequests,
  MAX_REASON,
  MAX_REQUESTS,
  type ReplacementRequest,
  readRequests,
} from '../../replacement/requests.ts';
import {
  type Command,
  loadConfigAndBucket,
  now,
  passEnvironmentOf,
  printJson,
  printToStderr,
  recordAction,
} from '../command.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { CommandRefused } from '../undo/refused.ts';
import { heldAmong, heldLine } from './held.ts';
import { coveredBy, type GivenScope, scopeOf } from './scope.ts';
import { drillDocument, estimateLine, progressLines } from './text.ts';

interface View extends PublishedCertificates {
  bucket: Bucket;
  config: Config;
}

export const replaceCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values);
  if (values.cancel) return cancel(bucket, values);
  const signing = await openKeysToRead(bucket, { fleets: configuredFleets(config) });
  const view = { bucket, config, ...(await readPublishedCertificates({ bucket, config }, signing)) };
  warn(view);
  const given = await scopeOf(values, view.certificates, now());
  return given === undefined ? showProgress(view, values) : ask(view, values, given);
};

function warn({ unreadable, unconfigured }: View): void {
  for (const [fleet, error] of unreadable) {
    printToStderr(`fleet ${fleet}: left out: ${codeOf(error)} ${messageOf(error)}\n`);
  }
  if (unconfigured.length === 0) return;
  const says = 'published and not configured, so no pass replaces them: pemfleet withdraw ends them';
  printToStderr(`${unconfigured.length} certificates are ${says}\n`);
}

async function cancel(bucket: Bucket, values: CommandValues): Promise<number> {
  const options = ['all', 'ca', 'issued-before', 'serial-file'] as const;
  const other = options.find((option) => values[option]);
  if (other !== undefined) throw new UsageError(`--cancel ends all requests: it does not go with --${other}`);
  const dryRun = values['dry-run'];
  if (!dryRun) {
    await cancelRequests(bucket);
    await recordAction(bucket, values, { action: 'replacement-cancelled' });
  }
  if (values.json) printJson({ version: 1, dryRun, covered: 0, requests: [] });
  const says = dryRun ? 'all requests would be ended' : 'all requests are ended';
  printToStderr(`${says}; what was issued stays, orders in flight are finished\n`);
  return EXIT.ok;
}

async function showProgress(view: View, values: CommandValues): Promise<number> {
  if (values['dry-run'] || values.yes || values.reason !== undefined) throw noScope();
  const requests = await readRequests(view.bucket);
  if (requests.length === 0) printToStderr('no replacement is asked for; --all, --ca … ask for one\n');
  await report(view, values, requests);
  return EXIT.ok;
}

function noScope(): UsageError {
  return new UsageError('replace wants --all, --ca, --issued-before, --serial-file, or --cancel');
}

async function ask(view: View, values: CommandValues, { scope, file }: GivenScope): Promise<number> {
  const { bucket, certificates } = view;
  const dryRun = values['dry-run'];
  const at = dryRun ? now() : await storeTime(bucket);
  const covered = coveredBy(scope, certificates, at);
  if (file !== undefined) {
    const { all, others } = file;
    const of = scope.serials?.length ?? 0;
    const such =
      others.length === 0
        ? ''
        : `; not in force here: ${others.join(', ')}${all - of > others.length ? ', …' : ''}`;
    printToStderr(`${of} of ${all} serials are in force here${such}\n`);
  }
  if (covered.length === 0) {
    printToStderr('nothing that is published is meant: nothing is asked for\n');
    if (values.json) printJson({ version: 1, dryRun, covered: 0, requests: [] });
    return EXIT.ok;
  }
  const count = `${covered.length} of ${certificates.length} certificates`;
  if (!dryRun && !values.yes && covered.length > Math.max(1, certificates.length / 3)) {
    throw new CommandRefused(
      `${count} would be replaced: --yes asks for it, pemfleet drill says how long it takes`,
    );
  }
  const reason = reasonOf(values.reason);
  const request = { at: at.toISOString(), scope, ...(reason && { reason }), certificates: covered.length };
  printToStderr(`${count} ${dryRun ? 'would be' : 'are to be'} replaced, from the next pass on\n`);
  const isLeft = (one: ReplacementRequest) => progressOf(one, certificates, at).left > 0;
  if (!dryRun) {
    await changeRequests(bucket, (before) => withRequest(before.filter(isLeft), request));
    await recordAction(bucket, values, { action: 'replacement-asked' });
  }
  await report(view, values, dryRun ? [request] : await readRequests(bucket), covered.length);
  return EXIT.ok;
}

/** Who asks for the same again, after an interruption for example, does not begin again. */
function withRequest(
  before: readonly ReplacementRequest[],
  request: ReplacementRequest,
): readonly ReplacementRequest[] {
  const scope = JSON.stringify(request.scope);
  const same = before.find((one) => JSON.stringify(one.scope) === scope);
  if (same !== undefined) {
    printToStderr(`asked for already, at ${same.at}: what was replaced since is not replaced again\n`);
    return before;
  }
  if (before.length >= MAX_REQUESTS) {
    throw new UsageError(
      `${MAX_REQUESTS} requests are under way: wait, or --cancel them and ask for more at once`,
    );
  }
  return [...before, request];
}

function reasonOf(text: string | undefined): string | undefined {
  if (text === undefined || text.length <= MAX_REASON) return text;
  throw new UsageError(`--reason wants at most ${MAX_REASON} characters, saw ${text.length}`);
}

async function report(
  view: View,
  values: CommandValues,
  requests: readonly ReplacementRequest[],
  covered?: number,
): Promise<void> {
  const { certificates } = view;
  const from = now();
  const progress = requests.map((request) => progressOf(request, certificates, from));
  const covering = new Set(requests.flatMap(({ at, scope }) => coveredBy(scope, certificates, new Date(at))));
  const left = certificates.filter((one) => covering.has(one));
  const estimate: DrillResult | undefined =
    left.length === 0
      ? undefined
      : (await drillFromBucket({ ...view, at: [view.config.acme], certificates: left, from }))[0];
  const held = await heldAmong({ ...passEnvironmentOf(values), bucket: view.bucket }, view, left);
  if (values.json) {
    const head = { version: 1, dryRun: values['dry-run'], covered: covered ?? left.length };
    printJson({ ...head, requests: progress, held, estimate: estimate && drillDocument(estimate) });
  }
  printToStderr(progress.map(progressLines).join('') + heldLine(held) + estimateLine(estimate, from));
}
