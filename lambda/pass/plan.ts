/** What a pass is about to do with each certificate, and the outcome it reports. */

import { inParallel } from '#common/in-parallel.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { CaBudget } from '../ca/budget.ts';
import type { BudgetRequest } from '../ca/demands.ts';
import type { HeldBack } from '../ca/held-back.ts';
import type { Reservation } from '../ca/reservations.ts';
import type { Solvers } from '../challenge/solver.ts';
import { configuredCas } from '../config/acme.ts';
import type { ChallengeName } from '../config/challenge.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import { exactSet, withoutWildcard } from '../config/identifier.ts';
import {
  type CertificateLife,
  configuredLives,
  findWakeProblem,
  latestWakeMs,
  type WakeProblem,
  wakeProblemText,
} from '../config/schedule.ts';
import { isEndedAtHosts } from '../fleet/ended-pems.ts';
import type { Hold } from '../hold/in-force.ts';
import { type OrderFailure, orderFailureOf } from '../order/back-off.ts';
import { preferredChallenge } from '../order/preferred-challenge.ts';
import type { StoredRecord } from '../order/record.ts';
import { currentPem, type FleetLoss, type Outcome } from '../outcome.ts';
import type { Pass } from '../pass.ts';
import { isLostEverywhere, newestEntry } from '../publication/entry.ts';
import { mayReplaceTrusted } from '../trusted/refused-ca.ts';
import { forbiddenByCaa } from './caa/forbidden.ts';
import { type CaChoice, type Decision, type DueInput, decide, isWanted } from './due.ts';
import { type CaOffer, casFor, offersBeside, refusalIn } from './limits/cas-for.ts';
import { emergencyOf, isAlmostOver, renewalAt } from './limits/renewal.ts';
import { holdOnAll } from './operator/held.ts';
import { refreshWindows } from './renewal-windows.ts';
import { findStillServed } from './still-served.ts';
import { readableSpecs, type Survey } from './survey.ts';
import { mayRefuse, type RefusedCas, refusedCas } from './trusted/refused-cas.ts';

export interface Plan {
  spec: CertificateSpec;
  decision: Decision;
  /** The newest publication in any of the certificate's fleets. */
  published: ManifestEntry | undefined;
  /** The order record that an earlier pass has left. */
  stored: StoredRecord | undefined;
  /** Of `stored`: it was made for something else than what is wanted now. */
  isStale?: boolean | undefined;
  /** The key is not reused, whatever the spec says. */
  isFreshKey: boolean;
  /** Its CA says so of what is published. */
  isRevoked?: boolean | undefined;
  /** The bucket holds its PEM in no fleet any more. */
  isLost?: boolean | undefined;
  /** Hosts hold it as ended: lambda/fleet/ended-pems.ts. */
  isEnded?: boolean | undefined;
  /** A request of `pemfleet replace` covers what is published: it counts from then on. */
  replaceSince?: Date | undefined;
  /** An operator holds it; it is due all the same where the decision says so. */
  hold?: Hold | undefined;
  /** Length of the next window that its CA suggests, of a pair the shorter one; absent: it suggests none. */
  windowMs?: number | undefined;
  /** What the CA that is chosen may exempt of its limits. */
  renewal?: BudgetRequest['renewal'];
  /** Of the other CAs that may be asked now, in their order: where it goes if the chosen one's limits leave no room. */
  others?: readonly CaOffer[];
  /** What its order takes from the limits of the CA that is chosen. */
  reservation?: Reservation | undefined;
  /** The limit that it waits for. */
  held?: HeldBack | undefined;
  /** The last pass had no time for it. */
  isPostponed?: boolean | undefined;
  /** Of `stored`, where earlier passes have failed. */
  failure?: OrderFailure | undefined;
  /** CAs that are not asked for it, though it is due. */
  refused?: RefusedCas | undefined;
  /** With what is published in its place: names that no certificate is for then (moving-names.ts). */
  lost?: readonly FleetLoss[];
  /** Nothing is published, and hosts serve what was published before a loss: until then, in ms since the epoch. */
  servedUntil?: number | undefined;
}

/** Input of the decision that all certificates of a pass share. */
interface PlanContext
  extends Omit<DueInput, 'spec' | 'published' | 'record' | 'isLost' | 'isEnded' | 'replaceSince' | 'hold'> {
  /** Knows what the CAs have refused. */
  budget?: CaBudget | undefined;
}

/** PEMs that are judged at the same time. */
const READS_AT_ONCE = 16;

/** Decides about every certificate whose documents can be read; the CA's renewal windows are refreshed for it. */
export async function decideAll(pass: Pass, survey: Survey): Promise<Plan[]> {
  const { manifests, records } = survey;
  const revoked = new Set([...survey.revoked, ...survey.revoking]);
  const newest = readableSpecs(survey).map((spec) => ({ spec, published: newestEntry(spec, manifests) }));
  const missing = newest.filter(({ published }) => published === undefined).map(({ spec }) => spec);
  const served = await findStillServed(pass, missing, survey.hosts, survey.withoutRoot);
  const subjects = newest.map(({ spec, published }) => ({
    ...{ spec, published },
    servedUntil: served.get(spec.name),
    stored: records.get(spec.name),
    isPostponed: survey.postponed.has(spec.name),
    isFreshKey: pass.options.freshKey ?? false,
    isLost: isLostEverywhere(spec, survey),
    isEnded: isEndedAtHosts(spec.name, published, survey, pass.timing.now()),
    replaceSince: survey.replacements.replaceSince(published),
    hold: holdOnAll(survey, spec, published),
  }));
  const published = subjects.flatMap(({ spec: { name }, published: entry }) =>
    entry ? [{ name, entry }] : [],
  );
  const windows = await refreshWindows(pass, published);
  const context = { ...contextOf(pass, survey), windows, revoked };
  const decideAbout = async (subject: Omit<Plan, 'decision'>) => {
    const forced = context.forced || isMeantNow(pass, subject.stored);
    const plan = makePlan(subject, { ...context, forced });
    if (plan.decision.action === 'keep') return plan;
    const makeAnew = (given: Omit<Plan, 'decision'>) => makePlan(given, { ...context, forced });
    if (!mayRefuse(pass, survey, subject.stored)) return atAllowedCa(pass, plan, makeAnew);
    const refused = await refusedCas(pass, survey, subject);
    return atAllowedCa(pass, refused.size === 0 ? plan : makeAnew({ ...subject, refused }), makeAnew);
  };
  return inParallel(subjects, READS_AT_ONCE, decideAbout, ({ spec }) => spec.name);
}

/** Of the fallback CAs, those that CAA records forbid are passed over; in an emergency, whatever can be tried is tried. */
async function atAllowedCa(
  pass: Pass,
  given: Plan,
  makeAnew: (subject: Omit<Plan, 'decision'>) => Plan,
): Promise<Plan> {
  let plan = given;
  while (plan.decision.action === 'obtain' && !isAlmostOver(plan, pass.timing.now())) {
    const { directoryUrl } = plan.decision;
    const forbidden = await forbiddenByCaa(pass, plan.spec, directoryUrl);
    if (forbidden === undefined) break;
    plan = makeAnew({ ...plan, refused: new Map([...(plan.refused ?? []), [directoryUrl, forbidden]]) });
  }
  return plan;
}

/** It was refused because browsers would not trust it, and the operator has said since that this is meant: no time is waited out. */
function isMeantNow(pass: Pass, stored: StoredRecord | undefined): boolean {
  if (stored?.record.lastFailure?.code !== 'ERR_CA_UNTRUSTED') return false;
  return mayReplaceTrusted(pass, stored.record.directoryUrl);
}

/** The configured CAs, as the budget finds them now. */
export function caChoices(config: Pick<Config, 'acme' | 'fallback'>, budget: CaBudget): CaChoice[] {
  return configuredCas(config).map(({ directoryUrl, preferredChain }) => ({
    directoryUrl,
    preferredChain,
    pausedUntil: budget.pausedUntil(directoryUrl),
    avoidedUntil: budget.avoidedUntil(directoryUrl),
  }));
}

function contextOf({ config, options, timing }: Pass, { budget }: Survey): Omit<PlanContext, 'windows'> {
  const cas = caChoices(config, budget);
  // A wake may come late: the last one before a window's end must not be missed.
  const wakeMs = latestWakeMs(config.wakeMinutes);
  return { cas, budget, forced: options.force ?? false, now: timing.now(), wakeMs };
}

export function makePlan(subject: Omit<Plan, 'decision'>, context: PlanContext): Plan {
  const { spec, published, stored, isFreshKey, isLost, isEnded, replaceSince, hold } = subject;
  const record = stored?.record;
  const cas = casFor(subject, context);
  const decision = decide({ ...context, cas, spec, published, record, isLost, isEnded, replaceSince, hold });
  // The record of another order, for example of a spec that was changed since, says nothing of this one.
  const isCurrent = record !== undefined && isWanted(record, subject, context.cas);
  const isStale = record !== undefined && !isCurrent;
  const isSame = isCurrent && decision.action !== 'keep' && decision.reason !== 'held';
  const failure = isSame ? orderFailureOf(record, published?.pems, context.now) : undefined;
  // OCSP does not say why it was revoked, and an operator need not: the key may be compromised.
  const isRevoked = published?.pems.some(({ sha256 }) => context.revoked?.has(sha256)) ?? false;
  const isDistrusted = isRevoked || isEnded || replaceSince !== undefined;
  const windowMs = suggestedWindowMs(published, context);
  return {
    ...{
      ...subject,
      decision,
      failure,
      isRevoked,
      isStale,
      windowMs,
      isFreshKey: isFreshKey || isDistrusted,
    },
    ...('directoryUrl' in decision && {
      renewal: renewalAt(decision.directoryUrl, subject, context),
      others: offersBeside(decision.directoryUrl, cas, subject, context),
    }),
    ...(decision.reason === 'ca-paused' && { held: refusalIn(cas) }),
  };
}

/** A window that is over, or that an incident at the CA has moved into the past, says nothing of the schedule. */
export function suggestedWindowMs(
  published: ManifestEntry | undefined,
  { windows, now }: Pick<PlanContext, 'windows' | 'now'>,
): number | undefined {
  const lengths = (published?.pems ?? []).flatMap(({ certId = '' }) => {
    const window = windows.get(certId);
    return window !== undefined && window.start > now ? [window.end.getTime() - window.start.getTime()] : [];
  });
  return lengths.length === 0 ? undefined : Math.min(...lengths);
}

/** What a publication asks of the schedule. */
export function livesOf(
  certificate: string,
  published: ManifestEntry | undefined,
  windowMs: number | undefined,
): CertificateLife[] {
  return (published?.pems ?? []).map(({ notBefore, notAfter }) => {
    const lifetimeMs = Date.parse(notAfter) - Date.parse(notBefore);
    return { certificate, lifetimeMs, windowMs };
  });
}

/** Whether passes come often enough for what is configured and for what is published. */
export function wakeProblemOf({ config, log }: Pass, plans: readonly Plan[]): WakeProblem | undefined {
  const ordered = plans.filter(({ spec }) => !spec.imported);
  const published = ordered.flatMap(({ spec, published, windowMs }) =>
    livesOf(spec.name, published, windowMs),
  );
  const problem = findWakeProblem(config.wakeMinutes, [...configuredLives(config), ...published]);
  if (problem !== undefined) {
    const { certificate, wakeMinutes, fittingMinutes } = problem;
    log('schedule.rare', { certificate, wakeMinutes, fittingMinutes, error: wakeProblemText(problem) });
  }
  return problem;
}

/** A request of `pemfleet replace` covers what is published. */
export const isReplaced = ({ replaceSince }: Plan) => replaceSince !== undefined;

/** The outcome of a dry run; for what is due, with the DNS records in which the CA will look. */
export async function plannedOutcome(plan: Plan, solvers: Solvers): Promise<Outcome> {
  switch (plan.decision.action) {
    case 'keep':
      return outcomeOf(plan, 'kept');
    case 'defer':
      return outcomeOf(plan, 'deferred');
    case 'obtain':
    case 'resume': {
      const names = plan.spec.identifiers.map(withoutWildcard);
      const challenge = challengeOf(plan);
      const solver = challenge && (await solvers.of(challenge));
      return { ...outcomeOf(plan, 'planned'), places: await solver?.locations?.(names) };
    }
  }
}

/** By which its names would be proven. */
export function challengeOf({ spec, stored }: Plan): ChallengeName | undefined {
  return preferredChallenge(spec.challenge, stored?.record.challengeFailures);
}

/** Two orders for the same names must not be open at once: Let's Encrypt would hand out one order for both. */
export function sameIdentifiers({ spec }: Plan): string {
  return exactSet(spec.identifiers);
}

export function outcomeOf(
  { spec, decision, published, failure, held, refused, hold, lost }: Plan,
  result: Outcome['result'],
): Outcome {
  const [refusal] = decision.reason === 'trusted-in-force' ? (refused?.values() ?? []) : [];
  return {
    certificate: spec.name,
    result,
    reason: decision.reason,
    identifiers: spec.identifiers,
    until: 'until' in decision ? decision.until?.toISOString() : undefined,
    ...(held && result === 'deferred' && { heldBackBy: held.text }),
    ...(hold && decision.reason === 'held' && { heldBackBy: hold.reason }),
    ...(hold && decision.reason === 'fresh' && { heldBackBy: `held: ${hold.reason}` }),
    ...currentPem(published),
    ...(refusal && { error: { code: refusal.code, message: refusal.message } }),
    ...(failure && result !== 'issued' && { failure }),
    ...(lost && { lost }),
  };
}

/** The order in which plans are carried out. Clients refuse what is revoked already; then comes what expires first. */
export function byUrgency(now: Date): (a: Plan, b: Plan) => number {
  return (a, b) => rankOf(a, now) - rankOf(b, now) || expiryOf(a) - expiryOf(b);
}

/**
 * What was postponed comes before what is merely earlier: else the same certificates take the time of each pass. Hosts still serve what is lost,
 * or is to be replaced: it takes its turn.
 */
function rankOf(plan: Plan, now: Date): number {
  const emergency = emergencyOf(plan, now);
  if (emergency === 'revoked') return 0;
  if (emergency === 'almost-over') return 1;
  return plan.isPostponed ? 2 : 3;
}

/** In ms since the epoch; what nobody serves is the most urgent. */
function expiryOf({ published, servedUntil = 0 }: Plan): number {
  if (published === undefined) return servedUntil;
  return Math.min(...published.pems.map((pem) => Date.parse(pem.notAfter)));
}
