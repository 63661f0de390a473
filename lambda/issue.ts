/**
 * STORYBOARD of a pass: read what is published, decide, obtain, publish, tell. One certificate's failure never
 * stops another; this is the one place where it is caught.
 */
import type { Bucket } from '#contract/bucket/bucket.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { AcmeClient } from './acme/client.ts';
import type { Timing } from './acme/poll.ts';
import type { ChallengeSolver } from './challenge/solver.ts';
import type { CertificateSpec, Config } from './config.ts';
import { entryOf, spread } from './entry.ts';
import { forgetUnconfigured, type InFlight, recordFor, remember } from './in-flight.ts';
import { inParallel } from './in-parallel.ts';
import type { Log } from './log.ts';
import { obtain } from './obtain.ts';
import { deleteOrderRecord, readOrderRecords, type StoredRecord } from './order-record.ts';
import {
  describe,
  makePlan,
  type Outcome,
  type PassOptions,
  type Plan,
  planned,
  sameIdentifiers,
  told,
} from './plan.ts';
import { createPublisher, type Publisher, type ReadManifest, readManifest } from './publish.ts';

export interface PassDeps {
  bucket: Bucket;
  /** Registers on first use; asked only when something is due. */
  openAccount: () => Promise<AcmeClient>;
  solver: ChallengeSolver;
  timing: Timing;
  random: () => number;
  log: Log;
}

interface Pass extends PassDeps, InFlight {
  account: () => Promise<AcmeClient>;
  publishers: ReadonlyMap<FleetName, Publisher>;
  manifests: ReadonlyMap<FleetName, ReadManifest | undefined>;
  claimedOrders: Set<string>;
}

/** Below this rest of the pass no order is started: it could not be finished. */
const MIN_ORDER_MS = 30_000;

export async function issue(deps: PassDeps, config: Config, options: PassOptions): Promise<Outcome[]> {
  const { bucket, timing, log } = deps;
  const specs = config.certificates.filter(({ name }) => options.only?.includes(name) ?? true);
  log('run.started', { certificates: specs.length, bucket: bucket.url, directory: config.acme.directoryUrl });
  const fleets = [...new Set(specs.flatMap((spec) => spec.fleets))];
  const manifests = new Map(
    await Promise.all(fleets.map(async (fleet) => [fleet, await readManifest(bucket, fleet)] as const)),
  );
  const records = await readOrderRecords(bucket);
  const plans = specs.map((spec) =>
    makePlan(spec, manifests, records.get(spec.name), config, options, timing.now()),
  );
  if (options.dryRun) return plans.map(planned);

  const pass = openPass(deps, config, fleets, manifests, records);
  if (options.only === undefined) await forgetUnconfigured(pass, records);
  const outcomes = await inParallel(
    plans,
    config.concurrency,
    (plan) => carryOut(pass, plan),
    sameIdentifiers,
  );
  const failed = outcomes.filter((outcome) => outcome.result === 'failed').length;
  log('run.finished', { issued: outcomes.filter((outcome) => outcome.result === 'issued').length, failed });
  return outcomes;
}

function openPass(
  deps: PassDeps,
  config: Config,
  fleets: FleetName[],
  manifests: Pass['manifests'],
  records: ReadonlyMap<string, StoredRecord>,
): Pass {
  let account: Promise<AcmeClient> | undefined;
  return {
    ...deps,
    config,
    account: () => (account ??= deps.openAccount()),
    publishers: new Map(fleets.map((fleet) => [fleet, createPublisher(deps.bucket, fleet, deps.timing.now)])),
    manifests,
    claimedOrders: new Set([...records.values()].flatMap(({ record }) => record.orderUrl ?? [])),
  };
}

async function carryOut(pass: Pass, plan: Plan): Promise<Outcome> {
  const { spec, decision, published } = plan;
  const outcome = told(spec, decision);
  const until = 'until' in decision ? decision.until.toISOString() : undefined;
  let stored = plan.stored;
  try {
    switch (decision.action) {
      case 'keep':
        if (published !== undefined) await spread(pass, spec, published);
        pass.log('certificate.kept', { certificate: spec.name, reason: decision.reason, until });
        return { ...outcome, result: 'kept', ...describe(published) };
      case 'defer':
        pass.log('certificate.deferred', { certificate: spec.name, reason: decision.reason, until });
        return { ...outcome, result: 'deferred', ...describe(published) };
      case 'obtain':
      case 'resume':
        if (pass.timing.deadline.getTime() - pass.timing.now().getTime() < MIN_ORDER_MS)
          return { ...outcome, result: 'postponed' };
        pass.log('certificate.due', {
          certificate: spec.name,
          reason: decision.reason,
          identifiers: spec.identifiers,
        });
        // The account first: while the CA is out of reach, no record is made.
        await pass.account();
        stored = await recordFor(pass, plan);
        return {
          ...outcome,
          result: 'issued',
          ...describe(await issueOne(pass, spec, stored, decision.action === 'resume')),
        };
    }
  } catch (error) {
    await remember(pass, stored, error);
    pass.log('certificate.failed', { certificate: spec.name, code: codeOf(error), error: messageOf(error) });
    return { ...outcome, result: 'failed', error: { code: codeOf(error), message: messageOf(error) } };
  }
}

async function issueOne(
  pass: Pass,
  spec: CertificateSpec,
  stored: StoredRecord,
  isResumed: boolean,
): Promise<ManifestEntry> {
  const client = await pass.account();
  const obtained = await obtain({ ...pass, client }, stored, isResumed);
  const entry = entryOf(
    spec,
    pass.config.acme.directoryUrl,
    client.accountUrl ?? '',
    obtained,
    pass.timing.now(),
  );
  const [pem] = entry.pems;
  pass.log('certificate.issued', { certificate: spec.name, serial: pem?.serial, notAfter: pem?.notAfter });
  for (const fleet of spec.fleets) {
    const texts = [{ sha256: pem?.sha256 ?? '', text: obtained.text }];
    const result = await pass.publishers.get(fleet)?.publish(spec.name, entry, texts);
    if (result === 'published') pass.log('manifest.published', { certificate: spec.name, fleet });
  }
  await deleteOrderRecord(pass.bucket, spec.name);
  return entry;
}
