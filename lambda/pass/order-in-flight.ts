/** The order record's way through a pass: made before it is needed, kept when the attempt fails, then forgotten. */
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Directory } from '../acme/directory.ts';
import type { Timing } from '../acme/poll.ts';
import { NotOffered } from '../acme/problem.ts';
import type { ChallengeSolver } from '../challenge/solver.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import type { Log } from '../log.ts';
import { cleanUp } from '../order/authorize.ts';
import { afterFailure } from '../order/back-off.ts';
import { keyFor } from '../order/key.ts';
import {
  createOrderRecord,
  deleteOrderRecord,
  type OrderLeg,
  type OrderRecord,
  type StoredRecord,
  saveOrderRecord,
} from '../order/record.ts';
import type { Plan } from './plan.ts';

export interface InFlight {
  bucket: Bucket;
  config: Config;
  timing: Timing;
  solver: ChallengeSolver;
  random: () => number;
  log: Log;
}

/** Where the order goes. */
export interface Destination {
  directoryUrl: string;
  directory: Directory;
  accountUrl: string | undefined;
}

/** The record that is driven: the one left by an earlier pass, or a new one with fresh keys. */
export async function openOrderRecord(pass: InFlight, plan: Plan, to: Destination): Promise<StoredRecord> {
  const { spec, decision, stored } = plan;
  if (stored !== undefined && decision.action === 'resume') return stored;
  const profile = profileFor(spec, to, pass.config.acme.directoryUrl);
  const legs = await Promise.all(spec.keyTypes.map((keyType) => legFor(pass, plan, keyType, to)));
  const now = pass.timing.now();
  const record: OrderRecord = {
    version: 1,
    createdAt: now,
    directoryUrl: to.directoryUrl,
    identifiers: spec.identifiers,
    ...(profile !== undefined && { profile }),
    legs,
    failures: 0,
    notBefore: now,
  };
  if (stored !== undefined) await discardOrder(pass, stored);
  return createOrderRecord(pass.bucket, spec.name, record);
}

async function legFor(
  pass: InFlight,
  { spec, published, isFreshKey }: Plan,
  keyType: string,
  to: Destination,
): Promise<OrderLeg> {
  const key = await keyFor(
    pass.bucket,
    { ...spec, reuseKey: spec.reuseKey && !isFreshKey },
    keyType,
    published,
  );
  // RFC 9773 §5: `replaces` may only name a certificate of the same account.
  const isSameAccount = published?.issued.accountUrl === to.accountUrl;
  const replaces = isSameAccount ? published?.pems.find((pem) => pem.keyType === keyType)?.certId : undefined;
  return { keyType, key, presented: [], ...(replaces !== undefined && { replaces }) };
}

/** draft-ietf-acme-profiles §3. A fallback CA without profiles is still better than no certificate. */
function profileFor({ profile }: CertificateSpec, to: Destination, preferredUrl: string): string | undefined {
  const offered = Object.keys(to.directory.meta?.profiles ?? {});
  if (profile === undefined || offered.includes(profile)) return profile;
  if (to.directoryUrl !== preferredUrl) return undefined;
  throw new NotOffered(`wanted profile ${profile}; the CA offers ${offered.join(', ') || 'no profiles'}`);
}

/** A failure that belongs to the order is kept for the next pass; a conflict belongs to whoever was faster. */
export async function saveFailure(
  pass: InFlight,
  stored: StoredRecord | undefined,
  error: unknown,
): Promise<void> {
  if (stored === undefined || error instanceof BucketError) return;
  const change = afterFailure(stored.record, error, pass.timing.now(), pass.random());
  const [saved] = await Promise.allSettled([saveOrderRecord(pass.bucket, stored, change)]);
  if (saved.status === 'fulfilled') return;
  const fields = { certificate: stored.name, code: codeOf(saved.reason), error: messageOf(saved.reason) };
  pass.log('certificate.failed', { ...fields, reason: 'the failure could not be remembered' });
}

/** Orders of certificates that are configured no more. */
export async function discardUnconfigured(
  pass: InFlight,
  records: ReadonlyMap<string, StoredRecord>,
): Promise<void> {
  const names = new Set<string>(pass.config.certificates.map((spec) => spec.name));
  for (const stored of records.values()) if (!names.has(stored.name)) await discardOrder(pass, stored);
}

async function discardOrder(pass: InFlight, stored: StoredRecord): Promise<void> {
  const { name, record } = stored;
  pass.log('order.abandoned', {
    certificate: name,
    order: record.legs[0]?.orderUrl,
    status: 'no longer wanted',
  });
  const presented = record.legs.flatMap((leg) => leg.presented);
  await cleanUp(pass.solver, presented, (error) =>
    pass.log('challenge.leftover', { certificate: name, error: messageOf(error) }),
  );
  await deleteOrderRecord(pass.bucket, name);
}
