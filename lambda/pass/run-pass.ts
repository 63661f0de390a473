/**
 * STORYBOARD of a pass: survey the bucket, see that nothing in it is lost and take back what is, refresh staples, decide about all
 * certificates, issue what is due, conclude.
 */
import { clockOffsetText } from '#common/clock.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { CaState } from '../ca/state.ts';
import { type CertificateSpec, type Config, configuredFleets } from '../config/config.ts';
import { ownClockOffset } from '../identity/store-clock.ts';
import type { Outcome, PassResult } from '../outcome.ts';
import type { Pass } from '../pass.ts';
import { refreshStaples } from '../publication/staples.ts';
import { tidyFleets } from '../publication/tidy.ts';
import { logReplacement, revokingKeys } from '../replacement/in-pass.ts';
import { issueAll } from './issuing/issue-all.ts';
import { discardUnconfigured } from './issuing/order-in-flight.ts';
import { noteLimits } from './limits/note-limits.ts';
import { withinBudgetAndCaa } from './limits/within-budget.ts';
import { surveyLostPems } from './lost-pems.ts';
import { holdMovingNames, noteLostNames } from './moving-names.ts';
import { isHeldIn } from './operator/held.ts';
import { revokeProved } from './operator/revocations.ts';
import { decideAll, isReplaced, type Plan, plannedOutcome, wakeProblemOf } from './plan.ts';
import { askFleetsWithoutRoot } from './roots/fleets-without-root.ts';
import { maintainFleets } from './roots/maintain.ts';
import { checkShards, restoreLost } from './roots/restore.ts';
import { endSuperseded } from './supersede.ts';
import {
  type BucketSurvey,
  completeSurvey,
  readableSpecs,
  type Survey,
  selectedSpecs,
  surveyBucket,
} from './survey.ts';

/** What a pass is about to do, and what its orders will be held against. */
export interface Decided {
  /** Before the limits of their CAs hold any of them back. */
  readonly plans: readonly Plan[];
  readonly caState: CaState;
}

/**
 * @param onDecided for who looks further than this pass
 * @returns an outcome for each certificate of the pass: a certificate that fails stops no other. What stops them all is the result's
 * `error`, beside what was published before it
 */
export async function runPass(pass: Pass, onDecided?: (decided: Decided) => void): Promise<PassResult> {
  logStarted(pass);
  const begin = pass.timing.now();
  const found = await surveyBucket(pass);
  logClock(pass, begin);
  try {
    return await work(pass, found, onDecided);
  } catch (error) {
    return abandon(pass, found, error);
  }
}

async function work(
  pass: Pass,
  read: BucketSurvey,
  onDecided: ((decided: Decided) => void) | undefined,
): Promise<PassResult> {
  const { options } = pass;
  await checkShards(pass, read);
  const withoutRoot = await askFleetsWithoutRoot(pass, read);
  const restored = options.dryRun ? read : await restoreLost(pass, read);
  const lostPems = await surveyLostPems(pass, restored, restored.hosts);
  const found = { ...restored, withoutRoot, lostPems };
  const staples = await refreshStaples(pass, found, {
    specs: readableSpecs(found),
    unconfigured: found.unconfigured,
  });
  const survey = await completeSurvey(pass, found, staples);
  const blocked = failBlocked(pass, survey);
  const moved = await holdMovingNames(pass, survey, await decideAll(pass, survey));
  const decided = noteLostNames(pass, survey, moved);
  const wakeProblem = wakeProblemOf(pass, decided);
  onDecided?.({ plans: decided, caState: survey.budget.state });
  const plans = await withinBudgetAndCaa(pass, decided, survey.budget);
  const bursts = noteLimits(pass, survey.budget, plans);
  if (options.dryRun) return { ...(await preview(pass, survey, plans, blocked)), wakeProblem, bursts };
  await survey.budget.save();
  await discardUnconfigured(pass, survey.records);
  const outcomes = await issueAll(pass, survey, plans);
  const revocations = await revokeProved(pass, { ...survey, manifests: publishedBy(survey).manifests });
  const { manifests } = publishedBy(survey);
  const unconfigured = await endSuperseded(pass, { ...survey, manifests });
  logReplacement(
    pass,
    plans.filter(isReplaced).map(({ spec }) => spec.name),
    outcomes,
  );
  const failure = await maintainFleets(pass, survey);
  await tidyFleets(pass, found, (fleet) => revokingKeys(pass.bucket, fleet));
  const result = { outcomes: [...blocked, ...outcomes], unconfigured, revocations, error: failure };
  return { ...(await conclude(pass, survey, result)), wakeProblem, bursts };
}

function logStarted(pass: Pass): void {
  const { bucket, config, log } = pass;
  const certificates = selectedSpecs(pass).length;
  log('run.started', { certificates, bucket: bucket.url, directory: config.acme.directoryUrl });
}

/** Whatever is due, expired or silent by a wrong clock is not. */
function logClock({ bucket, log, timing }: Pass, begin: Date): void {
  const offsetMs = ownClockOffset(bucket, begin, timing.now());
  if (offsetMs === undefined) return;
  log('clock.off', { offset: clockOffsetText(offsetMs), store: bucket.answeredAt?.toISOString() });
}

/** One certificate's broken document is its own failure. */
function failBlocked({ log }: Pass, { specs, blocked }: Survey): Outcome[] {
  return specs.flatMap(({ name, identifiers }) => {
    const error = blocked.get(name);
    if (error === undefined) return [];
    const [code, message] = [codeOf(error), messageOf(error)];
    log('certificate.failed', { certificate: name, code, error: message });
    return [
      { certificate: name, result: 'failed', reason: 'unreadable', identifiers, error: { code, message } },
    ];
  });
}

/** A dry run ends here: nothing was changed. */
async function preview(
  pass: Pass,
  survey: Survey,
  plans: readonly Plan[],
  blocked: readonly Outcome[],
): Promise<PassResult> {
  const { specs, manifests, unreadable } = survey;
  const planned = await Promise.all(plans.map((plan) => plannedOutcome(plan, pass.solvers)));
  const unconfigured = await endSuperseded(pass, survey);
  const outcomes = inOrder(specs, [...blocked, ...planned]);
  const known = { manifests, configuredFleets: configuredFleets(pass.config) };
  return { outcomes, unconfigured, ...known, changed: [], unreadable, keys: pass.signing };
}

async function conclude(
  { config, log, signing, timing }: Pass,
  survey: Survey,
  given: Pick<PassResult, 'outcomes' | 'unconfigured' | 'revocations' | 'error'>,
): Promise<PassResult> {
  const { outcomes, unconfigured, revocations, error: failure } = given;
  // What was published is told of, whether the CAs' state can be written or not.
  const error: unknown = await survey.budget.save().then(
    () => failure,
    (reason: unknown) => reason,
  );
  const count = (result: Outcome['result']) => outcomes.filter((outcome) => outcome.result === result).length;
  log('run.finished', {
    issued: count('issued'),
    failed: count('failed'),
    deferred: count('deferred') + count('postponed'),
  });
  const done = {
    outcomes: inOrder(survey.specs, outcomes),
    ...(unconfigured && { unconfigured }),
    ...(revocations?.length && { revocations }),
    isIdle: survey.records.size === 0 && outcomes.every(({ result }) => result === 'kept'),
  };
  const published = publishedBy(survey);
  const isHeld = isHeldIn({ ...survey, manifests: published.manifests }, timing.now());
  const known = { configuredFleets: configuredFleets(config), keys: signing, isHeld };
  const result = { ...done, ...published, ...known };
  return error === undefined ? result : { ...result, error };
}

function abandon({ config, signing }: Pass, survey: BucketSurvey, error: unknown): PassResult {
  const known = { configuredFleets: configuredFleets(config), keys: signing };
  return { outcomes: failedBy(survey.specs, error), ...publishedBy(survey), ...known, error };
}

/** The result of a pass that could not begin: no certificate and no fleet could be looked at. */
export function passNotBegun(config: Config, error: unknown): PassResult {
  const fleets = configuredFleets(config);
  const outcomes = failedBy(config.certificates, error);
  return {
    ...{ outcomes, manifests: new Map(), configuredFleets: fleets },
    ...{ changed: [], unreadable: fleets, error },
  };
}

/** All certificates failed by what stopped the pass. */
function failedBy(specs: readonly CertificateSpec[], reason: unknown): Outcome[] {
  const error = { code: codeOf(reason), message: messageOf(reason) };
  return specs.map(({ name, identifiers }) => {
    return { certificate: name, result: 'failed', reason: 'pass-failed', identifiers, error };
  });
}

function publishedBy({ manifests, publishers, unreadable }: BucketSurvey) {
  const written = [...publishers].flatMap(([fleet, { latest }]) =>
    latest ? [[fleet, latest] as const] : [],
  );
  // A root that is only signed anew is found by the next poll.
  const changed = [...publishers].flatMap(([fleet, { hasChanged }]) => (hasChanged ? [fleet] : []));
  return { manifests: new Map([...manifests, ...written]), changed, unreadable };
}

/** As configured; the work went by urgency. */
function inOrder(specs: readonly CertificateSpec[], outcomes: readonly Outcome[]): Outcome[] {
  const byName = new Map(outcomes.map((outcome) => [outcome.certificate, outcome]));
  return specs.flatMap(({ name }) => byName.get(name) ?? []);
}
