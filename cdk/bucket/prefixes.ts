/** The trust zones of the bucket as prefixes, for policies and lifecycle rules. They derive from the layout, which alone builds keys. */
import { type CertificateName, type FleetName, type HostName, layout, WRITER_TAG } from '#contract/layout.ts';
import { type Config, configuredFleets } from '../../lambda/config/config.ts';

const anyFleet = '*' as FleetName;

/** Policy variable: the writer that a request names in its object tag. */
export const WRITER = `\${s3:RequestObjectTag/${WRITER_TAG}}`;

const anyName = '*' as CertificateName;

/** What the commands read that change nothing: no object with a key is among them. */
export const readable: readonly string[] = [
  layout.root(anyFleet),
  layout.manifest(anyFleet),
  layout.keys(anyFleet),
  layout.shard(anyFleet, '*'),
  `${topFolderOf(layout.statuses(anyFleet))}*`,
  ...[layout.renewalInfo, layout.caState, layout.replacements, layout.hostSummaries],
  ...[layout.announcedLevels, layout.wrongNames, layout.writers],
  ...[layout.auditTrail, layout.revocations, layout.holds, layout.allServed, layout.allTombstones].map(
    (prefix) => `${prefix}*`,
  ),
  ...[layout.history(anyFleet, anyName), layout.departed(anyFleet), layout.garbage(anyFleet)],
  ...[layout.summary(anyFleet), layout.statusPage],
];

/** Private keys: of certificates, of orders under way, of accounts, and the one that signs. `*` of a policy goes across slashes. */
export const secret: readonly string[] = [
  `${layout.fleetPems(anyFleet)}*`,
  `${layout.orders}*`,
  `${layout.account('https://ca.test/').replace(/[^/]+$/, '')}*`,
  layout.signingKey,
];

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
