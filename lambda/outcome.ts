/** What a pass returns: to the programs, the metrics and the fleets. */
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { WakeProblem } from './config/schedule.ts';
import type { OrderFailure } from './order/back-off.ts';
import type { OwnKeys, ReadManifest } from './publication/read-manifest.ts';

/** What became of every certificate, and what every fleet serves from now on. */
export interface PassResult {
  outcomes: Outcome[];
  manifests: ReadonlyMap<FleetName, ReadManifest | undefined>;
  /** Fleets that a certificate names, of this pass or not; absent: all. The others are only watched: their hosts find out by their polls. */
  configuredFleets?: readonly FleetName[];
  /** Fleets whose manifest this pass has written. */
  changed: readonly FleetName[];
  /** Of the issuer; absent: the pass did not come so far. */
  keys?: OwnKeys;
  /** Fleets whose manifest cannot be read: they are not in `manifests`. */
  unreadable?: readonly FleetName[];
  /** What is published and not configured: it stays served; absent: the pass did not ask. */
  unconfigured?: readonly UnconfiguredOutcome[];
  /** What is to be revoked; absent: the pass did not ask, or nothing is. */
  revocations?: readonly RevocationOutcome[] | undefined;
  /** An operator holds it, and that counts: it is not renewed in time on purpose. Absent: the pass did not ask; its end does (after-pass.ts). */
  isHeld?: ((fleet: string, certificate: string) => boolean) | undefined;
  /** No order was under way, and none was due: nobody has to list their records again. */
  isIdle?: boolean | undefined;
  /** Passes come too rarely for this certificate. */
  wakeProblem?: WakeProblem | undefined;
  /** First issues that use up most of what a CA allows for one registered domain. */
  bursts?: readonly DomainBurst[] | undefined;
  /** What ended the pass before its end. The programs throw it when they have said what was done until then. */
  error?: unknown;
}

export interface DomainBurst {
  directoryUrl: string;
  domain: string;
  /** New certificates of this pass, and those that wait for room. */
  ordered: number;
  waiting: number;
  /** Certificates of the domain that the CA allows at once. */
  allowed: number;
  /** RFC 3339: when the last of those that wait has room. */
  until?: string | undefined;
}

export interface Outcome {
  certificate: CertificateName;
  result: 'issued' | 'planned' | 'kept' | 'deferred' | 'postponed' | 'failed';
  reason: string;
  identifiers: readonly string[];
  /** RFC 3339: kept or deferred until then. */
  until?: string | undefined;
  /** The limit of the CA that it waits for: `50 certificates of example.com in 7 days`. */
  heldBackBy?: string | undefined;
  /** Of the published certificate; of a pair, the elliptic one. */
  serial?: string | undefined;
  notAfter?: string | undefined;
  error?: { code: string; message: string } | undefined;
  /** Its order fails, in this pass or, while it backs off, before it: why, how often, and when it is tried again. */
  failure?: OrderFailure | undefined;
  /** Of what is planned: where the CA will look for the answers, if that is not the name itself (DNS-01). */
  places?: readonly string[] | undefined;
  /** What nobody has any more as soon as it is published with the names that are configured now. */
  lost?: readonly FleetLoss[] | undefined;
}

/** Names of one certificate in one fleet. */
export interface FleetLoss {
  fleet: FleetName;
  names: readonly string[];
}

/** Whether the last attempt failed, or none is made because it must not be: also while it backs off, or waits for its CA. */
export function isFailing({
  result,
  failure,
  error,
}: Pick<Outcome, 'result' | 'failure' | 'error'>): boolean {
  return error !== undefined || result === 'failed' || (failure !== undefined && result !== 'issued');
}

/** Of an order that somebody has asked for: it was neither made, nor has it failed. */
export function isUnmet({ result }: Pick<Outcome, 'result'>): boolean {
  return result === 'kept' || result === 'deferred' || result === 'postponed';
}

/** A limit of its CA makes it wait. */
export function isLimited({ result, reason }: Pick<Outcome, 'result' | 'reason'>): boolean {
  return result === 'deferred' && (reason === 'order-budget' || reason === 'ca-paused');
}

/** The same, and hosts cannot have it. */
export function isHeldBack(outcome: Outcome): boolean {
  return outcome.serial === undefined && isLimited(outcome);
}

/** What became of an operator's word to revoke: it waits until each living host has proved what takes its place. */
export interface RevocationOutcome {
  certificate: CertificateName;
  result: 'revoked' | 'waiting' | 'failed';
  serials: readonly string[];
  /** As the CA is told (RFC 5280 §5.3.1). */
  reason: string;
  /** RFC 3339: when it was asked for. */
  since: string;
  /** `fleet/host` that have not proved what takes its place; the first 20. Absent while that is not published, or no host reports. */
  hosts?: readonly string[];
  error?: { code: string; message: string };
}

/** What became of a certificate that is published to a fleet, and not configured for it. */
export interface UnconfiguredOutcome {
  fleet: FleetName;
  certificate: CertificateName;
  /** `superseded`: configured certificates have taken its place, and a tombstone ends it. `kept`: it stays served. */
  result: 'kept' | 'superseded';
  /**
   * Why it stays: the configured certificates do not have all of its names; a host has not proved them; no host has reported; nobody orders
   * what was imported; browsers trust it, and not those that have its names; an operator holds its fleet; the pass had no time; a document
   * cannot be read. `superseded` with `kept`: a dry run. `ended`: every living host holds it as ended, by a tombstone that a restored bucket
   * has lost.
   */
  reason:
    | 'not-covered'
    | 'not-proved'
    | 'no-host'
    | 'imported'
    | 'trusted-in-force'
    | 'held'
    | 'out-of-time'
    | 'unreadable'
    | 'superseded'
    | 'ended';
  identifiers: readonly string[];
  /** Of a pair, the PEM that expires first. */
  serial: string;
  notAfter: string;
  /** The certificates that take its place, or will. */
  by?: readonly CertificateName[];
  /** Names that no configured certificate of the fleet has; the first 20. */
  uncovered?: readonly string[];
  /** Hosts that have not proved `by`; the first 20. */
  hosts?: readonly string[];
  /** Hosts that serve `by` as HAProxy's description says, where no handshake can prove it, each with the reason; the first 20. */
  unproven?: readonly string[];
  error?: { code: string; message: string };
}

/** What people see of a published certificate. */
export function currentPem(entry: ManifestEntry | undefined): Pick<Outcome, 'serial' | 'notAfter'> {
  const [pem] = entry?.pems ?? [];
  return pem === undefined ? {} : { serial: pem.serial, notAfter: pem.notAfter };
}
