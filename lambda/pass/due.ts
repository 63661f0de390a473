/** Decides, purely, whether a certificate is to be ordered, from which CA, and why. Each decision carries its reason; the caller logs it. */
import { acmeOriginOf, type ManifestEntry } from '#contract/manifest.ts';
import type { CertificateSpec } from '../config/config.ts';
import { exactSet } from '../config/identifier.ts';
import { isStaging } from '../config/known-cas.ts';
import { breaksAt, type Hold, isBroken } from '../hold/in-force.ts';
import { isLongWait, nextAttempt } from '../order/back-off.ts';
import { isEmergency } from '../order/lifetime.ts';
import { type OrderRecord, openOrders } from '../order/record.ts';
import { hasNames } from '../publication/entry.ts';
import {
  type RenewalTimes,
  reasonInTime,
  renewalTime,
  rolledBackUntil,
  type TimelyReason,
} from './renewal-time.ts';

export type ObtainReason =
  | 'missing'
  | 'revoked'
  | 'pem-lost'
  | 'pem-ended'
  | 'replacement'
  | 'forced'
  | 'identifiers-changed'
  | 'key-type-changed'
  | 'profile-changed'
  | 'chain-changed'
  | 'ca-changed'
  | 'ca-failing'
  | TimelyReason
  | 'emergency';

export type Decision =
  /** Order now from this CA. */
  | { action: 'obtain'; reason: ObtainReason; directoryUrl: string }
  /** An order is in flight or failed before: resume it. */
  | { action: 'resume'; reason: 'order-in-flight' | 'retry'; directoryUrl: string }
  /** To be ordered, but not before `until`. */
  | { action: 'defer'; reason: 'backing-off' | 'ca-paused' | 'order-budget'; until: Date }
  /** Names that it loses are not served by the certificate that is to get them: lambda/pass/moving-names.ts. */
  | { action: 'defer'; reason: 'names-moving' }
  /** Browsers trust what is published, and would not trust what any of the CAs issues: lambda/trusted/refused-ca.ts. */
  | { action: 'defer'; reason: 'trusted-in-force' }
  /** An operator holds it: lambda/hold. `until` is missing where nothing ends that by itself. */
  | { action: 'defer'; reason: 'held'; until?: Date }
  /** Nobody orders it: nothing is imported yet, or what is lacks a configured name. */
  | { action: 'defer'; reason: 'import-missing' | 'import-names' }
  | { action: 'keep'; reason: 'fresh' | 'imported'; until: Date };

/** A configured CA, the preferred one first. */
export interface CaChoice {
  directoryUrl: string;
  preferredChain?: string | undefined;
  /** It asked us to stay away until then. */
  pausedUntil?: Date | undefined;
  /** It was out of reach: other CAs go first until then. */
  avoidedUntil?: Date | undefined;
  /** What it issues may not be published: lambda/trusted/refused-ca.ts. */
  isRefused?: boolean | undefined;
}

export interface DueInput extends RenewalTimes {
  spec: CertificateSpec;
  cas: readonly CaChoice[];
  /** The newest publication in any of the certificate's fleets. */
  published: ManifestEntry | undefined;
  /** SHA-256 of PEMs whose CA says (OCSP) that it has revoked the certificate. */
  revoked?: ReadonlySet<string>;
  /** The bucket holds it in no fleet any more: hosts that have it serve it, others cannot. */
  isLost?: boolean | undefined;
  /** Hosts hold it as ended by a tombstone that the issuer has forgotten, and never install it. */
  isEnded?: boolean | undefined;
  record: OrderRecord | undefined;
  /** An operator wants it replaced that was published before this time; a key that was made before must not be used either. */
  replaceSince?: Date | undefined;
  /** An operator's word to wait. */
  hold?: Hold | undefined;
  forced: boolean;
  /** The longest time until the next pass decides again. */
  wakeMs: number;
}

/** After so many failures that were the CA's own fault, the next CA is asked. */
const FAILURES_BEFORE_FALLBACK = 2;

export function decide(input: DueInput): Decision {
  return holdBack(decideFreely(input), input);
}

/** @returns what is decided, unless an operator's hold counts */
export function holdBack(decision: Decision, input: HoldInput): Decision {
  return decision.action === 'keep' ? decision : (heldDecision(input) ?? decision);
}

type HoldInput = Pick<DueInput, 'hold' | 'published' | 'revoked' | 'now'>;
type Held = Extract<Decision, { reason: 'held' }>;

/** @returns undefined: no hold counts */
export function heldDecision({ hold, published, revoked, now }: HoldInput): Held | undefined {
  if (hold === undefined) return undefined;
  if (published !== undefined && isBroken(published, revoked, now)) return undefined;
  const ends = [hold.until, published && breaksAt(published)].flatMap((end) => end?.getTime() ?? []);
  return { action: 'defer', reason: 'held', ...(ends.length > 0 && { until: new Date(Math.min(...ends)) }) };
}

function decideFreely(input: DueInput): Decision {
  const { record, cas, spec } = input;
  if (spec.imported) return decideImported(spec, input.published);
  if (record !== undefined && isWanted(record, input, cas)) {
    return decideInFlight(record, input);
  }
  const reason = reasonToObtain(input);
  if (reason === undefined) return { action: 'keep', reason: 'fresh', until: keptUntil(input) };
  return obtainFrom(cas, reason, input.now);
}

/** It stays until its end, whatever becomes of it: people bring the next one. */
function decideImported({ identifiers }: CertificateSpec, published: ManifestEntry | undefined): Decision {
  if (published === undefined) return { action: 'defer', reason: 'import-missing' };
  if (!hasNames(published, identifiers)) return { action: 'defer', reason: 'import-names' };
  const ends = published.pems.map(({ notAfter }) => Date.parse(notAfter));
  return { action: 'keep', reason: 'imported', until: new Date(Math.min(...ends)) };
}

/** It is the order of what is configured now, at a CA that is configured, with a key that may be used. */
export function isWanted(
  record: OrderRecord,
  { spec, replaceSince }: Pick<DueInput, 'spec' | 'replaceSince'>,
  cas: readonly Pick<CaChoice, 'directoryUrl'>[],
): boolean {
  const isAtOneOf = cas.some((ca) => ca.directoryUrl === record.directoryUrl);
  return !spec.imported && isAtOneOf && matchesSpec(record, spec, cas) && !isOutdated(record, replaceSince);
}

/**
 * An order gives only what it was made for: a changed spec needs a new one. At a fallback CA it may have been made without the profile
 * that is configured, because that CA does not offer it.
 */
export function matchesSpec(
  record: OrderRecord,
  spec: CertificateSpec,
  [first]: readonly Pick<CaChoice, 'directoryUrl'>[],
): boolean {
  const isWithoutProfile = record.profile === undefined && record.directoryUrl !== first?.directoryUrl;
  return (
    (record.profile === spec.profile || isWithoutProfile) &&
    record.legs.map((leg) => leg.keyType).join() === spec.keyTypes.join() &&
    exactSet(record.identifiers) === exactSet(spec.identifiers)
  );
}

/** Its key was made before all certificates and keys of that time had to be replaced; what made it wait does not count any more. */
function isOutdated({ createdAt }: OrderRecord, replaceSince: Date | undefined): boolean {
  return replaceSince !== undefined && createdAt < replaceSince;
}

function decideInFlight(record: OrderRecord, input: DueInput): Decision {
  const { cas, forced, now } = input;
  const { directoryUrl } = record;
  const own = cas.find((ca) => ca.directoryUrl === directoryUrl);
  if (own?.isRefused) {
    const { after, before } = otherCas(directoryUrl, cas);
    return obtainFrom([...after, ...before], 'ca-failing', now);
  }
  // Others that are paused longer keep nothing from its own CA, which may be asked sooner.
  const elsewhere = isGivenUp(record, input) ? otherCas(directoryUrl, cas, now) : NO_OTHERS;
  if (elsewhere.after.length > 0) return obtainFrom(elsewhere.after, 'ca-failing', now);
  const notBefore = nextAttempt(record, input.published?.pems, now);
  if (notBefore > now && !forced) return { action: 'defer', reason: 'backing-off', until: notBefore };
  if (elsewhere.before.length > 0) return obtainFrom(elsewhere.before, 'ca-failing', now);
  const pausedUntil = own?.pausedUntil;
  // An order that the CA has given out already costs no new one: only what is still to be ordered waits.
  const isOrdered = openOrders(record) === record.legs.length;
  if (pausedUntil !== undefined && pausedUntil > now && !isOrdered) {
    return { action: 'defer', reason: 'ca-paused', until: pausedUntil };
  }
  return { action: 'resume', reason: record.failures === 0 ? 'order-in-flight' : 'retry', directoryUrl };
}

/**
 * Another CA might do better: this one fails, or refuses by a policy of its own. In an emergency, and where it holds the order up for
 * long, one failure is enough.
 */
function isGivenUp({ failures, lastFailure, notBefore }: OrderRecord, { published, now }: DueInput): boolean {
  if (lastFailure === undefined || !(lastFailure.isCaFault || lastFailure.isPolicy)) return false;
  // Nothing that browsers trust is in force any more, or the operator has said that it is meant.
  if (lastFailure.code === 'ERR_CA_UNTRUSTED') return false;
  const isUrgent = published?.pems.some((pem) => isEmergency(pem, now)) ?? false;
  const isHeldUp = lastFailure.code === 'ERR_ACME_STUCK' || isPutOff(lastFailure, notBefore);
  const isEnough = isUrgent || isHeldUp;
  return failures >= (isEnough ? 1 : FAILURES_BEFORE_FALLBACK);
}

/** Our own waits for a CA's fault are shorter. */
function isPutOff({ at, isCaFault }: NonNullable<OrderRecord['lastFailure']>, notBefore: Date): boolean {
  return isCaFault && isLongWait(notBefore, at);
}

const NO_OTHERS = { after: [], before: [] };

/**
 * After the last CA come those before it again, at the times of the next attempts: what failed there may be over.
 * @param now only those that are not paused
 */
function otherCas(
  directoryUrl: string,
  cas: readonly CaChoice[],
  now?: Date,
): Record<'after' | 'before', CaChoice[]> {
  const index = cas.findIndex((ca) => ca.directoryUrl === directoryUrl);
  const isOpen = (until: Date | undefined) => now === undefined || until === undefined || until <= now;
  const mayAsk = ({ isRefused, pausedUntil }: CaChoice) => !isRefused && isOpen(pausedUntil);
  return { after: cas.slice(index + 1).filter(mayAsk), before: cas.slice(0, index).filter(mayAsk) };
}

/** A new order begins with the first CA that is neither paused nor out of reach: this is the way back from a fallback CA. */
function obtainFrom(cas: readonly CaChoice[], reason: ObtainReason, now: Date): Decision {
  const isOver = (until: Date | undefined) => until === undefined || until <= now;
  const allowed = cas.filter((ca) => !ca.isRefused);
  if (allowed.length === 0) return { action: 'defer', reason: 'trusted-in-force' };
  const open = allowed.filter((ca) => isOver(ca.pausedUntil));
  const chosen = open.find((ca) => isOver(ca.avoidedUntil)) ?? open[0];
  if (chosen !== undefined) return { action: 'obtain', reason, directoryUrl: chosen.directoryUrl };
  const until = new Date(Math.min(...allowed.map((ca) => ca.pausedUntil?.getTime() ?? 0)));
  return { action: 'defer', reason: 'ca-paused', until };
}

function reasonToObtain(input: DueInput): ObtainReason | undefined {
  const { published } = input;
  if (published === undefined) return 'missing';
  if (published.pems.some(({ sha256 }) => input.revoked?.has(sha256))) return 'revoked';
  if (input.isLost) return 'pem-lost';
  if (input.isEnded) return 'pem-ended';
  return reasonBySpec(published, input) ?? reasonByTime(published, input);
}

/** Where a CA is named for what was imported, that is good until its time comes, if it has the names. */
function reasonBySpec(published: ManifestEntry, input: DueInput): ObtainReason | undefined {
  const { spec } = input;
  const origin = acmeOriginOf(published);
  if (origin === undefined) return hasNames(published, spec.identifiers) ? undefined : 'identifiers-changed';
  if (exactSet(published.identifiers) !== exactSet(spec.identifiers)) return 'identifiers-changed';
  const keyTypes = published.pems.map((pem) => pem.keyType).sort();
  if (keyTypes.join() !== spec.keyTypes.join()) return 'key-type-changed';
  return standsAgainstCa(published, input) ? undefined : reasonByOrigin(published, input);
}

/** @returns in what its order differs from one that would be placed now */
export function reasonByOrigin(
  published: Pick<ManifestEntry, 'issued'>,
  { spec, cas }: Pick<DueInput, 'spec' | 'cas'>,
): 'ca-changed' | 'profile-changed' | 'chain-changed' | undefined {
  const origin = acmeOriginOf(published);
  if (origin === undefined) return undefined;
  const ca = cas.find(({ directoryUrl }) => directoryUrl === origin.directoryUrl);
  if (ca === undefined) return 'ca-changed';
  // A fallback CA may know neither profile nor chain: what it gave is good until it is due.
  if (ca === cas[0] && origin.profile !== spec.profile) return 'profile-changed';
  if (ca === cas[0] && origin.preferredChain !== ca.preferredChain) return 'chain-changed';
  return undefined;
}

/**
 * What was rolled back to is often of the CA or the chain before, and because of that: the configured one does not undo it for a day. Staging's
 * gives way to any other CA at once.
 */
export function standsAgainstCa(
  published: ManifestEntry,
  { cas, now }: Pick<DueInput, 'cas' | 'now'>,
): boolean {
  if (now >= (rolledBackUntil(published) ?? now)) return false;
  const { directoryUrl = '' } = acmeOriginOf(published) ?? {};
  return !isStaging(directoryUrl) || isStaging(cas[0]?.directoryUrl ?? '');
}

function keptUntil(input: DueInput): Date {
  const { published } = input;
  const until = renewalTime(published, input);
  if (published === undefined || reasonByOrigin(published, input) === undefined) return until;
  const stands = rolledBackUntil(published) ?? until;
  return stands < until ? stands : until;
}

function reasonByTime(published: ManifestEntry, input: DueInput): ObtainReason | undefined {
  const { forced, now } = input;
  if (input.replaceSince !== undefined) return 'replacement';
  if (forced) return 'forced';
  if (published.pems.some((pem) => isEmergency(pem, now))) return 'emergency';
  return reasonInTime(published, input);
}
