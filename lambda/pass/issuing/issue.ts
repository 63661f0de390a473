/**
 * STORYBOARD of one certificate in a pass: open its order record, obtain, publish, delete the record. Its failure is
 * caught here, and only here: the record keeps it for the next pass, and no other certificate is stopped. A renewal that is in no hurry
 * shares its commit with others; until then the record stays, so that a pass that is killed meanwhile loses nothing.
 */
import { digest } from '#contract/combined-pem.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { type CaAccount, explainRefusal, forgetLostAccount, openAccountAt } from '../../ca/ca.ts';
import { exactSet } from '../../config/identifier.ts';
import { obtain } from '../../order/obtain.ts';
import { checkLasts, type Obtained } from '../../order/verify-issued.ts';
import { currentPem, type Outcome } from '../../outcome.ts';
import type { Pass } from '../../pass.ts';
import { copyToFleets, newManifestEntry } from '../../publication/entry.ts';
import type { PemText } from '../../publication/publisher.ts';
import { StapleFetcher } from '../../publication/staples.ts';
import { emergencyOf, isAlmostOver } from '../limits/renewal.ts';
import { outcomeOf, type Plan } from '../plan.ts';
import type { Survey } from '../survey.ts';
import { checkIssued } from '../trusted/refused-cas.ts';
import { type FollowUp, followUpOf, followUpWhilePaused } from './follow-up.ts';
import { discardStale, OrderInFlight } from './order-in-flight.ts';

/** Below this rest of the pass no order is started: it could not be finished. */
export const MIN_ORDER_MS = 30_000;

/** What the next certificate does not wait for. */
export interface Ending {
  outcome: Promise<Outcome>;
  /** Nothing was tried: an outcome that the certificate has already stands. */
  isUntried?: boolean;
  /** What this pass still does for the certificate. */
  followUp?: FollowUp | undefined;
}

export async function issueCertificate(pass: Pass, survey: Survey, plan: Plan): Promise<Ending> {
  const { decision } = plan;
  const order = new OrderInFlight(pass, plan);
  try {
    switch (decision.action) {
      case 'keep':
        return ended(await keep(pass, survey, plan));
      case 'defer':
        return { ...ended(await defer(pass, survey, plan)), isUntried: true };
      case 'obtain':
      case 'resume': {
        const blocker = blockerOf(pass, survey, order, decision.directoryUrl);
        if (blocker !== undefined) {
          const untried = { ...ended(postpone(pass, survey, order, blocker)), isUntried: true };
          if (blocker.reason === 'out-of-time') return untried;
          return { ...untried, followUp: await followUpWhilePaused(pass, survey, plan) };
        }
        const published = publish(
          pass,
          survey,
          order,
          await issue(pass, survey, order, decision.directoryUrl),
        );
        const outcome = published.catch((error: unknown) => fail(pass, survey, order, error));
        return isUrgent(plan, pass.timing.now()) ? ended(await outcome) : { outcome };
      }
    }
  } catch (error) {
    const outcome = await fail(pass, survey, order, error);
    return { ...ended(outcome), followUp: await followUpOf(pass, survey, order, error) };
  }
}

function ended(outcome: Outcome): Ending {
  return { outcome: Promise.resolve(outcome) };
}

/** Hosts lack it, should not have the former one any more, or not for long. Replacements are many: they share commits. */
function isUrgent(plan: Plan, now: Date): boolean {
  const emergency = emergencyOf(plan, now);
  return plan.published === undefined || (emergency !== undefined && emergency !== 'replacement');
}

/** Another CA is there, and time is short. */
function isHurried({ config, timing }: Pass, plan: Plan): boolean {
  return isAlmostOver(plan, timing.now()) && config.fallback.length > 0;
}

/** A fleet that lacks the certificate gets it; nothing is ordered. */
async function keep(pass: Pass, survey: Survey, plan: Plan): Promise<Outcome> {
  const { spec, published } = plan;
  await discardStale(pass, plan);
  if (published !== undefined) await copyToFleets(pass, survey, spec, published);
  const outcome = outcomeOf(plan, 'kept');
  const { reason, until } = outcome;
  pass.log('certificate.kept', { certificate: spec.name, reason, until });
  return outcome;
}

async function defer(pass: Pass, survey: Survey, plan: Plan): Promise<Outcome> {
  const { decision, published, spec } = plan;
  await discardStale(pass, plan);
  // What stays in force stays so in each fleet that it is configured for now.
  const isWhole = published !== undefined && exactSet(published.identifiers) === exactSet(spec.identifiers);
  if (decision.reason === 'trusted-in-force' && isWhole) await copyToFleets(pass, survey, spec, published);
  const outcome = outcomeOf(plan, 'deferred');
  const { certificate, reason, until, failure, error } = outcome;
  const why = {
    ...(failure && { code: failure.code, error: failure.message, attempts: failure.attempts }),
    ...(error && { code: error.code, error: error.message }),
  };
  pass.log('certificate.deferred', { certificate, reason, until, ...why });
  return outcome;
}

type Blocker = { result: 'postponed'; reason: 'out-of-time' } | { result: 'deferred'; reason: 'ca-paused' };

/** What came up since the plans were made: the time is over, or the CA has meanwhile asked us to stay away. */
function blockerOf(
  { timing }: Pass,
  { budget }: Survey,
  order: OrderInFlight,
  directoryUrl: string,
): Blocker | undefined {
  const now = timing.now();
  if (timing.deadline.getTime() - now.getTime() < MIN_ORDER_MS) {
    return { result: 'postponed', reason: 'out-of-time' };
  }
  const isPaused =
    budget.pausedUntil(directoryUrl) !== undefined ||
    (order.request !== undefined && budget.refusedBy(order.request) !== undefined);
  return isPaused && !order.isPlaced ? { result: 'deferred', reason: 'ca-paused' } : undefined;
}

function postpone({ log }: Pass, { budget }: Survey, order: OrderInFlight, blocker: Blocker): Outcome {
  budget.release(order.plan.reservation, order.placed);
  log('certificate.deferred', { certificate: order.plan.spec.name, reason: blocker.reason });
  return { ...outcomeOf(order.plan, blocker.result), reason: blocker.reason };
}

interface Issued {
  entry: ManifestEntry;
  texts: PemText[];
}

/** Obtains the certificate from this CA. */
async function issue(
  pass: Pass,
  survey: Survey,
  order: OrderInFlight,
  directoryUrl: string,
): Promise<Issued> {
  const { spec, decision, published, hold } = order.plan;
  const { name: certificate, identifiers } = spec;
  pass.log('certificate.due', { certificate, reason: decision.reason, identifiers });
  if (hold !== undefined) {
    pass.log('hold.broken', { certificate, reason: decision.reason, hold: hold.reason });
  }
  // The account first: while the CA is out of reach, no record is made.
  const account = await openAccountAt(pass.cas, directoryUrl);
  const options = { claimedOrders: survey.claimedOrders, isHurried: isHurried(pass, order.plan) };
  const obtained: Obtained[] = [];
  // One after the other: a pair has the same names, and some CAs give out one pending order for both.
  for (const leg of await order.open(account)) {
    obtained.push(await obtain(pass, account, leg, options));
  }
  survey.budget.release(order.plan.reservation, order.placed);
  survey.budget.recordIssued({
    ...{ directoryUrl, identifiers, ...order.request },
    ...{ count: 0, certificates: obtained.length },
  });
  const entry = newManifestEntry(spec, issuedBy(account, order), obtained, pass.timing.now());
  for (const { serial, notAfter } of entry.pems) {
    pass.log('certificate.issued', { certificate, serial, notAfter });
  }
  checkLasts(entry.pems, decision.reason === 'revoked' ? undefined : published?.pems, pass.timing.now());
  const texts = obtained.map(({ text }) => ({ sha256: digest(text), text }));
  await checkIssued(pass, survey, order.plan, { directoryUrl, texts });
  return { entry, texts };
}

function issuedBy({ client, settings }: CaAccount, { profile }: OrderInFlight) {
  const { directoryUrl, preferredChain } = settings;
  return { directoryUrl, accountUrl: client.accountUrl ?? '', profile, preferredChain };
}

/** Publishes to every fleet of the certificate, with the staples that its CA gives. */
async function publish(pass: Pass, survey: Survey, order: OrderInFlight, issued: Issued): Promise<Outcome> {
  const { name, fleets } = order.plan.spec;
  const { pems, texts } = await new StapleFetcher(pass).staple({ name, entry: issued.entry }, issued.texts);
  const { published, decision, hold } = order.plan;
  const brokenHold = hold === undefined ? '' : `, though it was held: ${hold.reason}`;
  const how = {
    isUnhurried: !isUrgent(order.plan, pass.timing.now()),
    ...{ action: published === undefined ? 'issued' : 'renewed', reason: `${decision.reason}${brokenHold}` },
  };
  const publishTo = async (fleet: FleetName) => {
    const publisher = survey.publishers.get(fleet);
    const result = await publisher?.publish(name, { ...issued.entry, pems }, texts, how);
    if (result === 'published') pass.log('manifest.published', { certificate: name, fleet });
  };
  // Together: each of them may wait. A fleet that is held gets it when it is resumed, from another one.
  const open = fleets.filter((fleet) => survey.holdIn?.(fleet, name) === undefined);
  await allOf(open.map(publishTo));
  await order.delete();
  return { ...outcomeOf(order.plan, 'issued'), ...currentPem(issued.entry) };
}

/** @throws the first failure, when all have ended: none goes on behind the outcome */
async function allOf(works: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(works)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

/** Returns what was reserved, and keeps the failure where the next pass looks: in the CA's state, in the order record. */
async function fail(pass: Pass, survey: Survey, order: OrderInFlight, given: unknown): Promise<Outcome> {
  const { spec, decision } = order.plan;
  const directoryUrl = 'directoryUrl' in decision ? decision.directoryUrl : undefined;
  const isRenewed = directoryUrl !== undefined && order.isAccountRenewedAt(directoryUrl);
  const error =
    directoryUrl === undefined ? given : await explainRefusal(pass.cas, directoryUrl, given, isRenewed);
  if ('directoryUrl' in decision) {
    survey.budget.release(order.plan.reservation, order.placed);
    await forgetLostAccount(pass.cas, decision.directoryUrl, error);
    const hasRecord = order.hasRecordAt(decision.directoryUrl);
    survey.budget.recordFailure(decision.directoryUrl, error, hasRecord, spec.identifiers);
  }
  await order.saveFailure(error);
  const [code, message] = [codeOf(error), messageOf(error)];
  pass.log('certificate.failed', { certificate: spec.name, code, error: message });
  return { ...outcomeOf(order.plan, 'failed'), error: { code, message }, failure: order.failure };
}
