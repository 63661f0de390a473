// Route 53's lists, a page at a time, and its zones, records and changes in XML.
import { type Answer, AwsFailure } from '../wire.ts';
import { toXml } from '../xml.ts';
import { compareNames, escapeName, normalizeName } from './names.ts';
import type { RecordSet } from './records.ts';
import type { Change, Zone } from './zones.ts';

export const namespace = 'https://route53.amazonaws.com/doc/2013-04-01/';

export const document = (name: string, fields: object, status = 200): Answer => ({
  status,
  headers: { 'content-type': 'text/xml' },
  body: toXml({ [name]: { '@xmlns': namespace, ...fields } }),
});

export const zoneXml = (zone: Zone) => ({
  Id: `/hostedzone/${zone.id}`,
  Name: escapeName(zone.name),
  CallerReference: zone.callerReference,
  Config: { ...(zone.comment === undefined ? {} : { Comment: zone.comment }), PrivateZone: zone.isPrivate },
  ResourceRecordSetCount: zone.records.length,
});

/** What goes beside a zone. */
export const zoneDetail = (zone: Zone) =>
  zone.isPrivate
    ? { VPCs: { VPC: { VPCRegion: 'eu-central-1', VPCId: 'vpc-0aaa' } } }
    : { DelegationSet: { NameServers: { NameServer: zone.nameServers } } };

export const changeXml = ({ id, submittedAt, insyncAt, comment }: Change, now: Date) => ({
  ChangeInfo: {
    Id: `/change/${id}`,
    Status: now.getTime() >= insyncAt ? 'INSYNC' : 'PENDING',
    SubmittedAt: submittedAt.toISOString(),
    ...(comment === undefined ? {} : { Comment: comment }),
  },
});

type Query = Record<string, string>;

function readMaxItems(query: Query, most: number): number {
  const wanted = query['maxitems'] === undefined ? most : Number(query['maxitems']);
  if (!Number.isInteger(wanted) || wanted < 1) {
    throw new AwsFailure(400, 'InvalidInput', `Invalid maxitems '${query['maxitems']}'`);
  }
  return Math.min(wanted, most);
}

export function listHostedZones(zones: readonly Zone[], query: Query): Answer {
  const MaxItems = readMaxItems(query, 100);
  const sorted = [...zones].sort((one, other) => (one.id < other.id ? -1 : 1));
  const rest = sorted.filter(({ id }) => id >= (query['marker'] ?? ''));
  const next = rest[MaxItems];
  return document('ListHostedZonesResponse', {
    HostedZones: { HostedZone: rest.slice(0, MaxItems).map(zoneXml) },
    ...{ Marker: query['marker'] ?? '', IsTruncated: next !== undefined, MaxItems },
    ...(next ? { NextMarker: next.id } : {}),
  });
}

/** Begins at the name asked for, whether there is one or not: what follows may be any zone. */
export function listHostedZonesByName(zones: readonly Zone[], query: Query): Answer {
  const MaxItems = readMaxItems(query, 100);
  const { dnsname, hostedzoneid = '' } = query;
  if (hostedzoneid !== '' && dnsname === undefined) {
    throw new AwsFailure(400, 'InvalidInput', 'a hosted zone id needs a DNS name');
  }
  const compare = (one: Zone, name: string, id: string) =>
    compareNames(one.name, name) || (one.id < id ? -1 : one.id > id ? 1 : 0);
  const sorted = [...zones].sort((one, other) => compare(one, other.name, other.id));
  const from = dnsname === undefined ? undefined : normalizeName(dnsname);
  const rest = from === undefined ? sorted : sorted.filter((zone) => compare(zone, from, hostedzoneid) >= 0);
  const next = rest[MaxItems];
  return document('ListHostedZonesByNameResponse', {
    HostedZones: { HostedZone: rest.slice(0, MaxItems).map(zoneXml) },
    ...(dnsname === undefined ? {} : { DNSName: dnsname }),
    ...{ IsTruncated: next !== undefined, MaxItems },
    ...(next ? { NextDNSName: escapeName(next.name), NextHostedZoneId: next.id } : {}),
  });
}

export function listRecordSets({ records }: Zone, query: Query): Answer {
  const MaxItems = readMaxItems(query, 300);
  const { name, type = '' } = query;
  if (name === undefined && type !== '') {
    throw new AwsFailure(400, 'InvalidInput', 'The request must have a name when it has a type');
  }
  const from = name === undefined ? undefined : normalizeName(name);
  const isReached = (set: RecordSet) => {
    if (from === undefined) return true;
    return (compareNames(set.name, from) || (set.type < type ? -1 : 1)) > 0;
  };
  const rest = records.filter(isReached);
  const next = rest[MaxItems];
  return document('ListResourceRecordSetsResponse', {
    ResourceRecordSets: { ResourceRecordSet: rest.slice(0, MaxItems).map(recordSetXml) },
    ...{ IsTruncated: next !== undefined, MaxItems },
    ...(next ? { NextRecordName: escapeName(next.name), NextRecordType: next.type } : {}),
  });
}

const recordSetXml = ({ name, type, ttl, values }: RecordSet) => ({
  ...{ Name: escapeName(name), Type: type, TTL: ttl },
  ResourceRecords: { ResourceRecord: values.map((Value) => ({ Value })) },
});
