/**
 * Published certificates that the configuration does not name any more, or not for this fleet. Absence is no order: each stays served
 * until an operator withdraws it or it expires, unless others have taken its place on every host. Pure.
 */
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { Manifest, ManifestEntry } from '#contract/manifest.ts';
import { type CertificateSpec, namesOfFleet, specsOfFleet } from '../config/config.ts';
import { coversName } from '../config/identifier.ts';

export interface UnconfiguredCertificate {
  fleet: FleetName;
  name: CertificateName;
  entry: ManifestEntry;
}

/** What covers the names of a certificate that is not configured. */
export interface Coverage {
  /** The certificates that are needed for it, with what is published of them. */
  by: ReadonlyMap<CertificateName, ManifestEntry>;
  /** Names that none of them covers: while there is one, the certificate stays. */
  uncovered: string[];
}

/** @param specs all that are configured: those of a pass over some of them would make the others look unconfigured */
export function unconfiguredIn(
  specs: readonly CertificateSpec[],
  manifest: Manifest,
): UnconfiguredCertificate[] {
  const { fleet, certificates } = manifest;
  const configured = namesOfFleet(specs, fleet);
  return Object.entries(certificates).flatMap(([key, entry]) => {
    const name = key as CertificateName;
    return configured.has(name) ? [] : [{ fleet, name, entry }];
  });
}

/** Those that hosts go on with: HAProxy serves what is not configured until it ends. */
export function stayingIn(specs: readonly CertificateSpec[], manifest: Manifest, now: Date): ManifestEntry[] {
  return unconfiguredIn(specs, manifest).flatMap(({ entry }) => (isValid(entry, now) ? [entry] : []));
}

/** What may take the place of another: as configured, or as published. */
export type Successor = Pick<CertificateSpec, 'name' | 'identifiers' | 'haproxy' | 'fleets'>;

/**
 * Certificates that the configuration does not name either, and that hosts prefer to this one: they were issued later (the agent's
 * desired/overlap.ts), are valid for as long, and have each kind of key that it has. For the names that they share, nobody gets this one.
 * @returns the last issued first
 */
export function preferredTo(
  { name, entry }: Pick<UnconfiguredCertificate, 'name' | 'entry'>,
  unconfigured: readonly UnconfiguredCertificate[],
): Successor[] {
  return unconfigured
    .filter((other) => other.name !== name && isPreferred(other.entry, entry))
    .sort((a, b) => first(issuedAt(b.entry)) - first(issuedAt(a.entry)))
    .map((other) => ({
      ...{ name: other.name, fleets: [other.fleet] },
      ...{ identifiers: other.entry.identifiers, haproxy: other.entry.haproxy },
    }));
}

/** By the dates alone: of two certificates never each is preferred to the other. */
function isPreferred(entry: ManifestEntry, before: ManifestEntry): boolean {
  const kinds = new Set(entry.pems.map(kindOfKey));
  return (
    first(issuedAt(entry)) > last(issuedAt(before)) &&
    first(expiresAt(entry)) >= last(expiresAt(before)) &&
    before.pems.every((pem) => kinds.has(kindOfKey(pem)))
  );
}

const issuedAt = ({ pems }: ManifestEntry) => pems.map(({ notBefore }) => Date.parse(notBefore));
const expiresAt = ({ pems }: ManifestEntry) => pems.map(({ notAfter }) => Date.parse(notAfter));
const first = (times: number[]) => Math.min(...times);
const last = (times: number[]) => Math.max(...times);
/** HAProxy chooses between the two by what a client can do. */
const kindOfKey = ({ keyType }: ManifestEntry['pems'][number]) => (keyType.startsWith('rsa') ? 'rsa' : 'ec');

/**
 * Names count that a successor is configured for and published with: one of the two alone may be gone tomorrow, or not be there yet.
 * @param names of the certificate that may go: those it was ordered with, and those in its leaf
 */
export function coverageOf(
  names: readonly string[],
  specs: readonly Successor[],
  { fleet, certificates }: Manifest,
  now: Date,
): Coverage {
  const successors = specsOfFleet(specs, fleet).flatMap((spec) => {
    const entry = certificates[spec.name];
    return entry !== undefined && isValid(entry, now) ? [{ spec, entry }] : [];
  });
  const by = new Map<CertificateName, ManifestEntry>();
  const uncovered: string[] = [];
  for (const name of new Set(names)) {
    const holders = successors.filter(({ spec, entry }) => isServedBy(name, spec, entry));
    const chosen = holders.find(({ spec }) => by.has(spec.name)) ?? holders[0];
    if (chosen === undefined) uncovered.push(name);
    else by.set(chosen.spec.name, chosen.entry);
  }
  return { by, uncovered };
}

function isValid({ pems }: ManifestEntry, now: Date): boolean {
  return pems.every(({ notBefore, notAfter }) => now >= new Date(notBefore) && now < new Date(notAfter));
}

function isServedBy(name: string, spec: Successor, { identifiers }: ManifestEntry): boolean {
  return hasListed(name, spec) && identifiers.some((one) => coversName(one, name));
}

/** Whether HAProxy takes it for this name. */
export function hasListed(
  name: string,
  { identifiers, haproxy }: Pick<Successor, 'identifiers' | 'haproxy'>,
) {
  return identifiers.some((one) => coversName(one, name)) && isListed(name, haproxy?.sniFilters ?? []);
}

/** A line of a crt-list may narrow a certificate to some of its names (HAProxy's configuration manual, "crt-list"). */
function isListed(name: string, sniFilters: readonly string[]): boolean {
  const taken = sniFilters.filter((filter) => !filter.startsWith('!'));
  const refused = sniFilters.filter((filter) => filter.startsWith('!')).map((filter) => filter.slice(1));
  if (refused.some((filter) => coversName(filter, name))) return false;
  return taken.length === 0 || taken.includes('*') || taken.some((filter) => coversName(filter, name));
}
