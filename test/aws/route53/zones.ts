// Hosted zones, their record sets, and what of these the name servers answer by now: a change is visible when it is
// INSYNC, not before.

import { randomBytes } from 'node:crypto';
import { AwsFailure } from '../wire.ts';
import { compareNames, isInside, normalizeName } from './names.ts';
import type { RecordSet } from './records.ts';

export interface Zone {
  id: string;
  /** normalized */
  name: string;
  accountId: string;
  isPrivate: boolean;
  callerReference: string;
  comment: string | undefined;
  nameServers: readonly string[];
  /** as the API shows them */
  records: readonly RecordSet[];
  /** what the name servers get, and when */
  published: { at: number; records: readonly RecordSet[] }[];
}

export interface Change {
  /** without `/change/` */
  id: string;
  accountId: string;
  submittedAt: Date;
  /** in milliseconds since 1970 */
  insyncAt: number;
  comment: string | undefined;
}

export interface NewZone {
  name: string;
  accountId: string;
  isPrivate?: boolean;
  callerReference?: string;
  comment?: string;
}

export type Zones = ReturnType<typeof createZones>;

/** @param insyncAfterMs how long a change takes */
export function createZones(now: () => Date, insyncAfterMs: () => number) {
  const zones = new Map<string, Zone>();
  const changes = new Map<string, Change>();

  const publish = (zone: Zone, records: readonly RecordSet[], comment?: string): Change => {
    zone.records = [...records].sort(byNameAndType);
    const submittedAt = now();
    const insyncAt = submittedAt.getTime() + insyncAfterMs();
    zone.published.push({ at: insyncAt, records: zone.records });
    const change = { id: newId('C'), accountId: zone.accountId, submittedAt, insyncAt, comment };
    changes.set(change.id, change);
    return change;
  };

  return {
    publish,
    create(options: NewZone): { zone: Zone; change: Change } {
      const zone = newZone(options);
      zones.set(zone.id, zone);
      return { zone, change: publish(zone, apexRecords(zone)) };
    },
    /** in the order in which they were made */
    all: () => [...zones.values()],
    find(id: string): Zone {
      const zone = zones.get(id.replace(/^\/?hostedzone\//, ''));
      if (zone) return zone;
      throw new AwsFailure(404, 'NoSuchHostedZone', `No hosted zone found with ID: ${id}`);
    },
    change: (id: string) => changes.get(id.replace(/^\/?change\//, '')),
    /** the records that the name servers answer with at this moment */
    served(zone: Zone): readonly RecordSet[] {
      const at = now().getTime();
      return zone.published.findLast((state) => state.at <= at)?.records ?? [];
    },
  };
}

const newId = (prefix: string) => `${prefix}${randomBytes(10).toString('hex').toUpperCase()}`;

function newZone({ name, accountId, isPrivate = false, callerReference, comment }: NewZone): Zone {
  const id = newId('Z');
  const nameServers = [1, 2, 3, 4].map((n) => `ns-${n}.${id.toLowerCase()}.awsdns.test.`);
  return {
    ...{ id, name: normalizeName(name), accountId, isPrivate, comment, nameServers },
    ...{ callerReference: callerReference ?? id, records: [], published: [] },
  };
}

function apexRecords({ name, nameServers }: Zone): RecordSet[] {
  const soa = `${nameServers[0]} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400`;
  return [
    { name, type: 'NS', ttl: 172_800, values: nameServers },
    { name, type: 'SOA', ttl: 900, values: [soa] },
  ];
}

const byNameAndType = (one: RecordSet, other: RecordSet) =>
  compareNames(one.name, other.name) || (one.type < other.type ? -1 : 1);

/** The zone whose name servers a resolver comes to for `name`, from the top, by the NS records on the way. */
export function delegatedZone(zones: Zones, name: string): Zone | undefined {
  const holders = zones.all().filter((zone) => !zone.isPrivate && isInside(name, zone.name));
  holders.sort((one, other) => one.name.length - other.name.length);
  // of twins that nobody delegates to, the elder is the one that a registrar would know
  let current = holders[0];
  for (const zone of holders) {
    if (current === undefined || zone.name === current.name) continue;
    const isNamed = zones
      .served(current)
      .some(
        ({ name: at, type, values }) =>
          type === 'NS' && at === zone.name && sameSet(values, zone.nameServers),
      );
    if (isNamed) current = zone;
  }
  return current;
}

const sameSet = (one: readonly string[], other: readonly string[]) =>
  one.length === other.length && one.every((value) => other.includes(value));
