/** Which holds count now, and when one is broken: by a revocation, or when less than a fifth of the lifetime is left. Pure. */

import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { lastCallSince } from '../order/lifetime.ts';
import type { StoredHold } from './holds.ts';

/** A hold as a decision takes it. */
export interface Hold {
  /** Absent: until it is resumed. */
  until?: Date | undefined;
  /** What the operator says, or why that is unknown. */
  reason: string;
}

export interface HoldsRead {
  stored: readonly StoredHold[];
  /** They could not be listed: rather all is held, for as long as that does no harm. */
  error?: Error | undefined;
  now: Date;
}

export class Holds {
  readonly #certificates = new Map<string, Hold>();
  readonly #fleets = new Map<string, Hold>();
  readonly #all: Hold | undefined;

  constructor({ stored, error, now }: HoldsRead) {
    this.#all = error && { reason: `what operators hold cannot be read: ${error.message}` };
    for (const one of stored.filter((hold) => isInForce(hold, now))) {
      const { subject } = one;
      if ('fleet' in subject) this.#fleets.set(subject.fleet, holdOf(one));
      else this.#certificates.set(subject.certificate, holdOf(one));
    }
  }

  ofCertificate(name: CertificateName): Hold | undefined {
    return this.#certificates.get(name) ?? this.#all;
  }

  ofFleet(fleet: FleetName): Hold | undefined {
    return this.#fleets.get(fleet) ?? this.#all;
  }
}

/** Its time is not over, or not known. */
export function isInForce({ word }: StoredHold, now: Date): boolean {
  return word?.until === undefined || new Date(word.until) > now;
}

/** @returns from when on a hold counts no more for what is published; of a pair, the earlier time */
export function breaksAt({ pems }: Pick<ManifestEntry, 'pems'>): Date {
  return new Date(Math.min(...pems.map((pem) => lastCallSince(pem).getTime())));
}

/** @param revoked SHA-256 of PEMs that are revoked, or are to be */
export function isBroken(entry: ManifestEntry, revoked: ReadonlySet<string> | undefined, now: Date): boolean {
  return entry.pems.some(({ sha256 }) => revoked?.has(sha256)) || breaksAt(entry) <= now;
}

function holdOf({ word, fault }: StoredHold): Hold {
  if (word === undefined) return { reason: `its document cannot be read: ${fault?.message ?? ''}` };
  return { reason: word.reason, ...(word.until && { until: new Date(word.until) }) };
}
