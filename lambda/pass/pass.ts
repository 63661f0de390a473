/** STORYBOARD of a pass: read what is published, refresh staples, ask for the CA's wishes, decide, count, carry out, tell. */
import { inParallel } from '#common/in-parallel.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { pruned, readCaState, writeCaState } from '../ca/budget.ts';
import type { ChallengeSolver } from '../challenge/solver.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import type { Log } from '../log.ts';
import type { Outcome, PassOptions, PassResult } from '../outcome.ts';
import { newestEntry } from '../publication/entry.ts';
import { createPublishers, type Publishers } from '../publication/publisher.ts';
import { NO_STAPLES, refreshStaples } from '../publication/staples.ts';
import { issueCertificate, openPass, type PassDeps } from './issue.ts';
import { discardUnconfigured } from './order-in-flight.ts';
import { makePlan, planContext, plannedOutcome, sameIdentifiers, withinBudget } from './plan.ts';
import { type Survey, surveyBucket } from './survey.ts';

export async function issue(deps: PassDeps, config: Config, options: PassOptions): Promise<PassResult> {
  const { bucket, timing, log } = deps;
  const specs = config.certificates.filter(({ name }) => options.only?.includes(name) ?? true);
  log('run.started', { certificates: specs.length, bucket: bucket.url, directory: config.acme.directoryUrl });
  const begun = await surveyBucket(bucket, specs);
  const publishers = createPublishers(bucket, begun.manifests.keys(), timing.now);
  const staples = options.dryRun
    ? NO_STAPLES
    : await refreshStaples(deps, config.concurrency, soundOf(specs, begun), begun.manifests, publishers);
  const found = staples.isPublished ? await surveyBucket(bucket, specs) : begun;
  const { manifests, records, blocked } = found;
  const failures = specs.flatMap((spec) => blockedOutcome(log, spec, blocked.get(spec.name)));
  const sound = soundOf(specs, found);
  const caState = await readCaState(bucket);
  const { revoked } = staples;
  const context = { ...(await planContext(deps, config, options, sound, manifests, caState)), revoked };
  const wished = sound.map((spec) =>
    makePlan(spec, newestEntry(spec, manifests), records.get(spec.name), context, options.freshKey ?? false),
  );
  const countedAt = timing.now();
  const { plans, state } = withinBudget(wished, caState, config.ordersPer3Hours, countedAt);
  if (options.dryRun) {
    const outcomes = await Promise.all(plans.map((plan) => withPlaces(plannedOutcome(plan), deps.solver)));
    return { outcomes: inOrder(specs, [...failures, ...outcomes]), manifests, changed: [] };
  }

  if (state !== caState) await writeCaState(bucket, pruned(state, timing.now()));
  const pass = openPass({ ...deps, config, manifests, publishers, caState: state, countedAt }, records);
  if (options.only === undefined) await discardUnconfigured(pass, records);
  const carried = await inParallel(
    plans,
    deps.solver.isBatched ? plans.length : config.concurrency,
    (plan) => issueCertificate(pass, plan),
    sameIdentifiers,
  );
  const outcomes = [...failures, ...carried];
  if (pass.caState !== state) await writeCaState(bucket, pruned(pass.caState, timing.now()));
  tellFinished(log, outcomes);
  return { outcomes: inOrder(specs, outcomes), ...afterwards(manifests, publishers) };
}

/** The manifests as the pass leaves them, without reading them again. */
function afterwards(
  manifests: PassResult['manifests'],
  publishers: Publishers,
): Pick<PassResult, 'manifests' | 'changed'> {
  const written = [...publishers].flatMap(([fleet, { latest }]) =>
    latest ? [[fleet, latest] as const] : [],
  );
  return { manifests: new Map([...manifests, ...written]), changed: written.map(([fleet]) => fleet) };
}

function soundOf(specs: readonly CertificateSpec[], { blocked }: Survey): CertificateSpec[] {
  return specs.filter(({ name }) => !blocked.has(name));
}

function tellFinished(log: Log, outcomes: readonly Outcome[]): void {
  const count = (result: Outcome['result']) => outcomes.filter((outcome) => outcome.result === result).length;
  log('run.finished', {
    issued: count('issued'),
    failed: count('failed'),
    deferred: count('deferred') + count('postponed'),
  });
}

/** One certificate's broken document is its own failure. */
function blockedOutcome(
  log: Log,
  { name, identifiers }: CertificateSpec,
  error: Error | undefined,
): Outcome[] {
  if (error === undefined) return [];
  const [code, message] = [codeOf(error), messageOf(error)];
  log('certificate.failed', { certificate: name, code, error: message });
  return [
    { certificate: name, result: 'failed', reason: 'unreadable', identifiers, error: { code, message } },
  ];
}

async function withPlaces(outcome: Outcome, solver: ChallengeSolver): Promise<Outcome> {
  if (outcome.result !== 'planned' || solver.locations === undefined) return outcome;
  const names = outcome.identifiers.map((identifier) => identifier.replace(/^\*\./, ''));
  return { ...outcome, places: await solver.locations(names) };
}

/** As configured; the work went by urgency. */
function inOrder(specs: readonly CertificateSpec[], outcomes: readonly Outcome[]): Outcome[] {
  const byName = new Map(outcomes.map((outcome) => [outcome.certificate, outcome]));
  return specs.flatMap(({ name }) => byName.get(name) ?? []);
}
