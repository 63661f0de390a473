/** The trust zones of the bucket as prefixes, for policies and lifecycle rules. They derive from the layout, which alone builds keys. */
import { type CertificateName, type FleetName, type HostName, layout, WRITER_TAG } from '#contract/layout.ts';
import { type Config, configuredFleets } from '../../lambda/config/config.ts';

const anyFleet = '*' as FleetName;

/** Policy variable: the writer that a request names in its object tag. */
export const WRITER = `\${s3:RequestObjectTag/${WRITER_TAG}}`;

export const prefixes = {
  issuer: `${layout.orders.split('/')[0]}/`,
  orders: layout.orders,
  probes: layout.probe(''),
  challenges: layout.challenge(''),
  published: layout.published,
  anyPems: layout.pems(anyFleet, '' as CertificateName).slice(0, -1),
  anyShards: layout.shard(anyFleet, '').replace(/[^/]+$/, ''),
  agent: layout.agentReleases,
  statuses: layout.statuses,
  ownStatus: (fleet: FleetName) => layout.status(fleet, WRITER as HostName),
  anyPublished: topFolderOf(layout.manifest(anyFleet)),
  anyStatus: topFolderOf(layout.statuses(anyFleet)),
} as const;

/**
 * Checks the name of a fleet.
 * @throws Error if no certificate is configured for `fleet`
 */
export function configuredFleet(config: Config, fleet: string): FleetName {
  const fleets = fleetsOf(config);
  const configured = fleets.find((name) => name === fleet);
  if (configured !== undefined) return configured;
  throw new Error(
    `no certificate is configured for the fleet ${fleet}; pemfleet.yaml has ${fleets.join(', ')}`,
  );
}

/** The fleets that certificates are configured for, sorted. */
export function fleetsOf(config: Config): FleetName[] {
  return configuredFleets(config).sort();
}

function topFolderOf(key: string): string {
  return `${key.split('/')[0]}/`;
}
