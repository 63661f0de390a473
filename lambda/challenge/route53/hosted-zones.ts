/** The hosted zones of one AWS account: which of them holds a name. solver.ts asks for a configured one by its id instead. */
import { GetHostedZoneCommand, type HostedZone, ListHostedZonesCommand } from '@aws-sdk/client-route-53';
import { DnsFailed } from '../errors.ts';
import type { Route53Api } from './api.ts';
import { Route53Zone } from './zone.ts';

/** Of an account, in a message. */
const SHOWN_ZONES = 10;

export class HostedZones {
  readonly api: Route53Api;
  /** Listed when a name asks first, once a pass. */
  #publicZones: Promise<Route53Zone[]> | undefined;
  readonly #byId = new Map<string, Promise<Route53Zone>>();

  constructor(api: Route53Api) {
    this.api = api;
  }

  /** The public zone with the longest name that `name` ends with. @throws DnsFailed `ERR_DNS_ZONE` */
  async zoneOf(name: string): Promise<Route53Zone> {
    this.#publicZones ??= this.#listPublicZones();
    return longestOf(await this.#publicZones, name, this.api.owner);
  }

  /** @throws DnsFailed `ERR_DNS_ZONE` if there is none, or it is private */
  zoneById(id: string): Promise<Route53Zone> {
    const zone = this.#byId.get(id) ?? this.#readZone(id);
    this.#byId.set(id, zone);
    return zone;
  }

  async #listPublicZones(): Promise<Route53Zone[]> {
    const zones: HostedZone[] = [];
    let Marker: string | undefined;
    do {
      const command = new ListHostedZonesCommand({ Marker });
      const answer = await this.api.request('route53:ListHostedZones', (client) => client.send(command));
      zones.push(...(answer.HostedZones ?? []));
      Marker = answer.IsTruncated ? answer.NextMarker : undefined;
    } while (Marker !== undefined);
    return zones
      .filter(({ Config }) => !Config?.PrivateZone)
      .map((description) => new Route53Zone(this.api, description));
  }

  async #readZone(Id: string): Promise<Route53Zone> {
    const command = new GetHostedZoneCommand({ Id });
    const answer = await this.api.request('route53:GetHostedZone', (client) => client.send(command));
    if (answer.HostedZone === undefined || answer.HostedZone.Config?.PrivateZone) {
      throw new DnsFailed('ERR_DNS_ZONE', `hosted zone ${Id} is private: no CA can look into it`);
    }
    return new Route53Zone(this.api, answer.HostedZone);
  }
}

function longestOf(zones: readonly Route53Zone[], name: string, owner: string): Route53Zone {
  const fitting = zones.filter((zone) => name === zone.name || name.endsWith(`.${zone.name}`));
  const longest = Math.max(...fitting.map((zone) => zone.name.length));
  const [zone, twin] = fitting.filter((candidate) => candidate.name.length === longest);
  if (zone === undefined) {
    const names = zones.slice(0, SHOWN_ZONES).map((candidate) => candidate.name);
    const saw = names.join(', ') || 'none';
    throw new DnsFailed('ERR_DNS_ZONE', `no public hosted zone of ${owner} holds ${name}; it has ${saw}`);
  }
  if (twin === undefined) return zone;
  const what = `${owner} has several public hosted zones ${zone.name}`;
  throw new DnsFailed('ERR_DNS_ZONE', `${what}: say which one in dns.hostedZones (hostedZoneId)`);
}
