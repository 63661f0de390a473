/** The trust zones of the bucket as prefixes, for policies and lifecycle rules; derived, because only the layout makes keys. */
import { type CertificateName, type FleetName, type HostName, layout, WRITER_TAG } from '#contract/layout.ts';
import type { Config } from '../../lambda/config/config.ts';

const anyFleet = '*' as FleetName;

/** What a request says of its writer, as a variable of a policy. */
export const WRITER = `\${s3:RequestObjectTag/${WRITER_TAG}}`;

export const prefixes = {
  issuer: `${layout.orders.split('/')[0]}/`,
  orders: layout.orders,
  probes: layout.probe(''),
  challenges: layout.challenge(''),
  published: (fleet: FleetName) => layout.manifest(fleet).replace(/[^/]+$/, ''),
  pems: (fleet: FleetName) => layout.pems(fleet, '' as CertificateName).slice(0, -1),
  statuses: layout.statuses,
  ownStatus: (fleet: FleetName) => layout.status(fleet, WRITER as HostName),
  anyPublished: firstOf(layout.manifest(anyFleet)),
  anyStatus: firstOf(layout.statuses(anyFleet)),
} as const;

/** @throws Error if `fleet` is none that a certificate is for */
export function knownFleet(config: Config, fleet: string): FleetName {
  const known = fleetsOf(config);
  const found = known.find((name) => name === fleet);
  if (found !== undefined) return found;
  throw new Error(`no certificate is for the fleet ${fleet}; pemfleet.yaml has ${known.join(', ')}`);
}

export function fleetsOf(config: Config): FleetName[] {
  return [...new Set(config.certificates.flatMap(({ fleets }) => fleets))].sort();
}

function firstOf(key: string): string {
  return `${key.split('/')[0]}/`;
}
