/**
 * STORYBOARD of one certificate in a pass: record, obtain, publish, forget. Its failure is caught here, and only here: it is
 * remembered for the next pass and stops no other certificate.
 */
import { codeOf, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Timing } from '../acme/poll.ts';
import { type BudgetRequest, type CaState, release, withIssued } from '../ca/budget.ts';
import { type Ca, caOf } from '../ca/ca.ts';
import { pausedUntil, recordFailure } from '../ca/pause.ts';
import type { ChallengeSolver } from '../challenge/solver.ts';
import type { CertificateSpec } from '../config/config.ts';
import type { Log } from '../log.ts';
import { obtain } from '../order/obtain.ts';
import { deleteOrderRecord, type StoredRecord } from '../order/record.ts';
import { currentPem, type Outcome } from '../outcome.ts';
import { copyToFleets, newManifestEntry } from '../publication/entry.ts';
import type { Publishers, ReadManifest } from '../publication/publisher.ts';
import { withStaples } from '../publication/staples.ts';
import { type InFlight, openOrderRecord, saveFailure } from './order-in-flight.ts';
import { budgetRequestOf, outcomeOf, type Plan, placedOrders } from './plan.ts';

export interface PassDeps {
  bucket: Bucket;
  /** By directory URL: the configured CAs. */
  authorities: ReadonlyMap<string, Ca>;
  solver: ChallengeSolver;
  timing: Timing;
  random: () => number;
  log: Log;
}

type Manifests = ReadonlyMap<FleetName, ReadManifest | undefined>;

export interface Pass extends PassDeps, InFlight {
  publishers: Publishers;
  manifests: Manifests;
  claimedOrders: Set<string>;
  /** Moves on while the pass learns what the CAs let through. */
  caState: CaState;
  /** When the orders of this pass were counted. */
  countedAt: Date;
}

/** Below this rest of the pass no order is started: it could not be finished. */
const MIN_ORDER_MS = 30_000;

export function openPass(
  deps: PassDeps & Pick<Pass, 'config' | 'manifests' | 'publishers' | 'caState' | 'countedAt'>,
  records: ReadonlyMap<string, StoredRecord>,
): Pass {
  const orders = [...records.values()].flatMap(({ record }) =>
    record.legs.flatMap((leg) => leg.orderUrl ?? []),
  );
  return { ...deps, claimedOrders: new Set(orders) };
}

export async function issueCertificate(pass: Pass, plan: Plan): Promise<Outcome> {
  const { spec, decision, published } = plan;
  const outcome = { ...outcomeOf(spec, decision), ...currentPem(published) };
  let stored = plan.stored;
  // Before the record moves on: what was counted for this plan.
  const wish = budgetRequestOf(plan);
  const placedBefore = decision.action === 'resume' ? placedOrders(stored) : 0;
  try {
    switch (decision.action) {
      case 'keep':
        if (published !== undefined) await copyToFleets(pass, spec, published);
        pass.log('certificate.kept', {
          certificate: spec.name,
          reason: decision.reason,
          until: outcome.until,
        });
        return outcome;
      case 'defer':
        pass.log('certificate.deferred', {
          certificate: spec.name,
          reason: decision.reason,
          until: outcome.until,
        });
        return { ...outcome, result: 'deferred' };
      case 'obtain':
      case 'resume': {
        const blocker = blockerOf(pass, plan, decision.directoryUrl);
        if (blocker !== undefined) {
          uncount(pass, wish, 0);
          pass.log('certificate.deferred', { certificate: spec.name, reason: blocker.reason });
          return { ...outcome, ...blocker };
        }
        pass.log('certificate.due', {
          certificate: spec.name,
          reason: decision.reason,
          identifiers: spec.identifiers,
        });
        const destination = await destinationOf(pass, decision.directoryUrl);
        stored = await openOrderRecord(pass, plan, destination);
        const entry = await issueOne(pass, spec, stored, decision.action === 'resume');
        return { ...outcome, result: 'issued', ...currentPem(entry) };
      }
    }
  } catch (error) {
    uncount(pass, wish, placedOrders(stored) - placedBefore);
    if ('directoryUrl' in decision)
      await recordFailure(
        pass,
        decision.directoryUrl,
        stored?.record.directoryUrl === decision.directoryUrl,
        error,
      );
    await saveFailure(pass, stored, error);
    pass.log('certificate.failed', { certificate: spec.name, code: codeOf(error), error: messageOf(error) });
    return { ...outcome, result: 'failed', error: { code: codeOf(error), message: messageOf(error) } };
  }
}

/** What came up since the plans were made: the time is over, or the CA told another certificate to stay away. */
function blockerOf(
  pass: Pass,
  { stored, decision }: Plan,
  directoryUrl: string,
): Pick<Outcome, 'result' | 'reason'> | undefined {
  const now = pass.timing.now();
  if (pass.timing.deadline.getTime() - now.getTime() < MIN_ORDER_MS)
    return { result: 'postponed', reason: 'out-of-time' };
  const until = pausedUntil(pass.caState, directoryUrl);
  const isOrdered =
    decision.action === 'resume' && stored?.record.legs.every((leg) => leg.orderUrl !== undefined);
  return until !== undefined && until > now && !isOrdered
    ? { result: 'deferred', reason: 'ca-paused' }
    : undefined;
}

/** The account first: while the CA is out of reach, no record is made. */
async function destinationOf(pass: Pass, directoryUrl: string) {
  const authority = caOf(pass.authorities, directoryUrl);
  const client = await authority.account();
  return { directoryUrl, directory: client.directory, accountUrl: client.accountUrl };
}

async function issueOne(
  pass: Pass,
  spec: CertificateSpec,
  stored: StoredRecord,
  isResumed: boolean,
): Promise<ManifestEntry> {
  const { directoryUrl, profile } = stored.record;
  const authority = caOf(pass.authorities, directoryUrl);
  const client = await authority.account();
  const { preferredChain } = authority.settings;
  const obtained = [];
  // One after the other: a pair has the same names, and some CAs give out one pending order for both.
  for (const index of stored.record.legs.keys()) {
    obtained.push(await obtain({ ...pass, client, preferredChain }, { stored, index, isResumed }));
  }
  const issued = { directoryUrl, accountUrl: client.accountUrl ?? '', profile, preferredChain };
  const entry = newManifestEntry(spec, issued, obtained, pass.timing.now());
  const wish = { directoryUrl, identifiers: spec.identifiers, count: obtained.length };
  pass.caState = withIssued(pass.caState, wish, pass.timing.now());
  for (const { serial, notAfter } of entry.pems)
    pass.log('certificate.issued', { certificate: spec.name, serial, notAfter });
  const bare = obtained.map(({ text }, index) => ({ sha256: entry.pems[index]?.sha256 ?? '', text }));
  const { pems, texts } = await withStaples(pass, spec.name, entry.pems, bare);
  for (const fleet of spec.fleets) {
    const result = await pass.publishers.get(fleet)?.publish(spec.name, { ...entry, pems }, texts);
    if (result === 'published') pass.log('manifest.published', { certificate: spec.name, fleet });
  }
  await deleteOrderRecord(pass.bucket, spec.name);
  return entry;
}

/** @param placed orders that came about all the same */
function uncount(pass: Pass, wish: BudgetRequest | undefined, placed: number): void {
  if (wish !== undefined)
    pass.caState = release(pass.caState, { ...wish, count: wish.count - placed }, pass.countedAt);
}
