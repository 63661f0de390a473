/** Pure: is a certificate to be ordered, and why. Every answer carries its reason; the caller logs it. */
import type { ManifestEntry, PemRef } from '#contract/manifest.ts';
import type { CertificateSpec } from './config.ts';
import type { OrderRecord } from './order-record.ts';

export type ObtainReason =
  | 'missing'
  | 'forced'
  | 'identifiers-changed'
  | 'key-type-changed'
  | 'profile-changed'
  | 'ca-changed'
  | 'lifetime'
  | 'emergency';

export type Decision =
  /** Order now, in place of `replaces` where there is something to replace. */
  | { action: 'obtain'; reason: ObtainReason; replaces?: string }
  /** An order is in flight or failed before: go on with it. */
  | { action: 'resume'; reason: 'order-in-flight' | 'retry' }
  /** Failed before: not before `until`. */
  | { action: 'defer'; reason: 'backing-off'; until: Date }
  | { action: 'keep'; reason: 'fresh'; until: Date };

export interface DueInput {
  spec: CertificateSpec;
  directoryUrl: string;
  /** The newest publication in any of the certificate's fleets. */
  published: ManifestEntry | undefined;
  record: OrderRecord | undefined;
  forced: boolean;
  now: Date;
}

/** Below this lifetime a third is too short for people to react: half of it is kept (Let's Encrypt's advice). */
const SHORT_LIVED_MS = 10 * 86_400_000;
/** With less than this share of its life left, a certificate is renewed whatever anybody wishes. */
const EMERGENCY_SHARE = 1 / 20;

export function decide(input: DueInput): Decision {
  const { record, forced, now } = input;
  if (record !== undefined && sameWish(record, input)) {
    if (record.failures === 0) return { action: 'resume', reason: 'order-in-flight' };
    if (forced || record.notBefore <= now) return { action: 'resume', reason: 'retry' };
    return { action: 'defer', reason: 'backing-off', until: record.notBefore };
  }
  const reason = reasonToObtain(input);
  if (reason === undefined) return { action: 'keep', reason: 'fresh', until: renewalTime(input.published) };
  const replaces = input.published?.pems[0]?.certId;
  const isSameCa = input.published?.issued.directoryUrl === input.directoryUrl;
  return { action: 'obtain', reason, ...(isSameCa && replaces !== undefined && { replaces }) };
}

/** An order can only give what it was made for; a changed wish needs another order. */
export function sameWish(
  record: OrderRecord,
  { spec, directoryUrl }: Pick<DueInput, 'spec' | 'directoryUrl'>,
): boolean {
  return (
    record.directoryUrl === directoryUrl &&
    record.keyType === spec.keyType &&
    record.profile === spec.profile &&
    sameNames(record.identifiers, spec.identifiers)
  );
}

function reasonToObtain({ spec, directoryUrl, published, forced, now }: DueInput): ObtainReason | undefined {
  if (published === undefined) return 'missing';
  if (!sameNames(published.identifiers, spec.identifiers)) return 'identifiers-changed';
  if (published.pems.map((pem) => pem.keyType).join() !== spec.keyType) return 'key-type-changed';
  if (published.issued.profile !== spec.profile) return 'profile-changed';
  if (published.issued.directoryUrl !== directoryUrl) return 'ca-changed';
  if (forced) return 'forced';
  if (published.pems.some((pem) => isEmergency(pem, now))) return 'emergency';
  return now >= renewalTime(published) ? 'lifetime' : undefined;
}

function isEmergency(pem: PemRef, now: Date): boolean {
  const [from, to] = [Date.parse(pem.notBefore), Date.parse(pem.notAfter)];
  return to - now.getTime() <= (to - from) * EMERGENCY_SHARE;
}

/** One third of the lifetime before the end; half for short-lived ones. The earliest of a pair. */
function renewalTime(published: ManifestEntry | undefined): Date {
  const times = (published?.pems ?? []).map((pem) => {
    const [from, to] = [Date.parse(pem.notBefore), Date.parse(pem.notAfter)];
    return to - (to - from) / (to - from < SHORT_LIVED_MS ? 2 : 3);
  });
  return new Date(Math.min(...times));
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return [...a].sort().join() === [...b].sort().join();
}
