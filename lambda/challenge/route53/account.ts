/** The hosted zones of one AWS account: which of them a name belongs to. */
import { GetHostedZoneCommand, type HostedZone, ListHostedZonesCommand } from '@aws-sdk/client-route-53';
import { DnsFailed } from '../errors.ts';
import type { Route53Api } from './api.ts';
import { withoutTrailingDot } from './zone.ts';

export interface Route53Account {
  /** The public zone with the longest name that `name` ends with. @throws DnsFailed `ERR_DNS_ZONE` */
  zoneOf(name: string): Promise<HostedZone>;
  /** @throws DnsFailed `ERR_DNS_ZONE` if there is none, or it is private */
  zoneById(id: string): Promise<HostedZone>;
}

export function route53Account(api: Route53Api): Route53Account {
  let listed: Promise<HostedZone[]> | undefined;
  const publicZones = () => (listed ??= listPublicZones(api));
  const byId = new Map<string, Promise<HostedZone>>();
  return {
    zoneOf: async (name) => longestOf(await publicZones(), name, api.owner),
    zoneById: (id) => {
      const known = byId.get(id) ?? readZone(api, id);
      byId.set(id, known);
      return known;
    },
  };
}

function longestOf(zones: readonly HostedZone[], name: string, owner: string): HostedZone {
  const fitting = zones.filter(
    (zone) => name === withoutTrailingDot(zone.Name) || name.endsWith(`.${withoutTrailingDot(zone.Name)}`),
  );
  const longest = Math.max(...fitting.map(({ Name = '' }) => Name.length));
  const [found, twin] = fitting.filter(({ Name = '' }) => Name.length === longest);
  if (found === undefined) {
    const seen =
      zones
        .slice(0, 10)
        .map((zone) => withoutTrailingDot(zone.Name))
        .join(', ') || 'none';
    throw new DnsFailed('ERR_DNS_ZONE', `no public hosted zone of ${owner} holds ${name}; it has ${seen}`);
  }
  if (twin === undefined) return found;
  const what = `${owner} has several public hosted zones ${withoutTrailingDot(found.Name)}`;
  throw new DnsFailed('ERR_DNS_ZONE', `${what}: say which one in dns.hostedZones (hostedZoneId)`);
}

async function listPublicZones(api: Route53Api): Promise<HostedZone[]> {
  const zones: HostedZone[] = [];
  let Marker: string | undefined;
  do {
    const input = { ...(Marker !== undefined && { Marker }) };
    const answer = await api.request('route53:ListHostedZones', (client) =>
      client.send(new ListHostedZonesCommand(input)),
    );
    zones.push(...(answer.HostedZones ?? []));
    Marker = answer.IsTruncated ? answer.NextMarker : undefined;
  } while (Marker !== undefined);
  return zones.filter(({ Config }) => !Config?.PrivateZone);
}

async function readZone(api: Route53Api, Id: string): Promise<HostedZone> {
  const { HostedZone: zone } = await api.request('route53:GetHostedZone', (client) =>
    client.send(new GetHostedZoneCommand({ Id })),
  );
  if (zone === undefined || zone.Config?.PrivateZone)
    throw new DnsFailed('ERR_DNS_ZONE', `hosted zone ${Id} is private: no CA can look into it`);
  return zone;
}
