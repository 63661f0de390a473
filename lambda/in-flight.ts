/** The order record's way through a pass: made before it is needed, kept when the attempt fails, then forgotten. */
import type { Bucket } from '#contract/bucket/bucket.ts';
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import type { Timing } from './acme/poll.ts';
import { cleanUp } from './authorize.ts';
import type { ChallengeSolver } from './challenge/solver.ts';
import type { Config } from './config.ts';
import type { Log } from './log.ts';
import { generateKey } from './obtain.ts';
import {
  afterFailure,
  createOrderRecord,
  deleteOrderRecord,
  type OrderRecord,
  type StoredRecord,
  saveOrderRecord,
} from './order-record.ts';
import type { Plan } from './plan.ts';

export interface InFlight {
  bucket: Bucket;
  config: Config;
  timing: Timing;
  solver: ChallengeSolver;
  random: () => number;
  log: Log;
}

/** The record that is driven: the one left by an earlier pass, or a new one with a fresh key. */
export async function recordFor(pass: InFlight, { spec, decision, stored }: Plan): Promise<StoredRecord> {
  if (stored !== undefined && decision.action === 'resume') return stored;
  if (stored !== undefined) await forget(pass, stored);
  const record: OrderRecord = {
    version: 1,
    createdAt: pass.timing.now(),
    directoryUrl: pass.config.acme.directoryUrl,
    identifiers: spec.identifiers,
    keyType: spec.keyType,
    ...(spec.profile !== undefined && { profile: spec.profile }),
    ...(decision.action === 'obtain' && decision.replaces !== undefined && { replaces: decision.replaces }),
    key: generateKey(spec.keyType),
    presented: [],
    failures: 0,
    notBefore: pass.timing.now(),
  };
  return createOrderRecord(pass.bucket, spec.name, record);
}

/** A failure that belongs to the order is kept for the next pass; a conflict belongs to whoever was faster. */
export async function remember(
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
export async function forgetUnconfigured(
  pass: InFlight,
  records: ReadonlyMap<string, StoredRecord>,
): Promise<void> {
  const names = new Set<string>(pass.config.certificates.map((spec) => spec.name));
  for (const stored of records.values()) if (!names.has(stored.name)) await forget(pass, stored);
}

async function forget(pass: InFlight, stored: StoredRecord): Promise<void> {
  pass.log('order.abandoned', {
    certificate: stored.name,
    order: stored.record.orderUrl,
    status: 'no longer wanted',
  });
  await cleanUp(pass.solver, stored.record.presented, (error) =>
    pass.log('challenge.leftover', { certificate: stored.name, error: messageOf(error) }),
  );
  await deleteOrderRecord(pass.bucket, stored.name);
}
