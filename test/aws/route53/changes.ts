// A batch of changes: all of it or nothing, refused in Route 53's words.
import { AwsFailure } from '../wire.ts';
import { fromXml } from '../xml.ts';
import { escapeName, isInside } from './names.ts';
import { faultsOf, type RecordSet, readRecordSet, type XmlRecordSet } from './records.ts';
import type { Zone } from './zones.ts';

export interface RecordChange {
  action: string;
  set: RecordSet;
}

export interface ChangeBatch {
  changes: readonly RecordChange[];
  comment: string | undefined;
}

interface XmlBatch {
  ChangeResourceRecordSetsRequest?: {
    ChangeBatch?: {
      Comment?: string;
      Changes?: { Change?: { Action?: string; ResourceRecordSet?: XmlRecordSet }[] };
    };
  };
}

export function readBatch(body: string): ChangeBatch {
  const xml = (fromXml(body, ['Change', 'ResourceRecord']) as XmlBatch).ChangeResourceRecordSetsRequest;
  const changes = (xml?.ChangeBatch?.Changes?.Change ?? []).map(
    ({ Action: action = '', ResourceRecordSet }) => {
      if (!['CREATE', 'DELETE', 'UPSERT'].includes(action)) {
        throw new AwsFailure(400, 'InvalidInput', `Invalid action '${action}'`);
      }
      return { action, set: readRecordSet(ResourceRecordSet ?? {}, action) };
    },
  );
  if (changes.length === 0) throw new AwsFailure(400, 'InvalidInput', 'Invalid request: no changes');
  return { changes, comment: xml?.ChangeBatch?.Comment };
}

/** @returns the records as they are afterwards */
export function applyBatch(zone: Zone, { changes }: ChangeBatch): RecordSet[] {
  const faults = sizeFaults(changes);
  const sets = new Map(zone.records.map((set) => [nameAndType(set), set]));
  const touched = new Set<string>();
  for (const change of changes) {
    const key = nameAndType(change.set);
    const { set } = change;
    if (change.action !== 'DELETE') {
      if (touched.has(key)) {
        faults.push(
          `The request contains an invalid set of changes for a resource record set '${set.type} ${escapeName(set.name)}'`,
        );
      }
      touched.add(key);
    }
    const found = changeFaults(zone, change, sets);
    faults.push(...found);
    if (found.length > 0) continue;
    if (change.action === 'DELETE') sets.delete(key);
    else sets.set(key, set);
  }
  if (faults.length > 0) throw new AwsFailure(400, 'InvalidChangeBatch', `[${faults.join(', ')}]`);
  return [...sets.values()];
}

const nameAndType = ({ name, type }: RecordSet) => `${name} ${type}`;

/** An UPSERT counts twice. */
function sizeFaults(changes: readonly RecordChange[]): string[] {
  const sum = (size: (set: RecordSet) => number) =>
    changes.reduce((total, { action, set }) => total + size(set) * (action === 'UPSERT' ? 2 : 1), 0);
  const letters = ({ values }: RecordSet) => values.reduce((total, value) => total + value.length, 0);
  return [
    ...(sum(({ values }) => values.length) > 1000 ? ['Number of records limit of 1000 exceeded.'] : []),
    ...(sum(letters) > 32_000 ? ['Number of characters limit of 32000 exceeded.'] : []),
  ];
}

function changeFaults(
  zone: Zone,
  { action, set }: RecordChange,
  sets: ReadonlyMap<string, RecordSet>,
): string[] {
  const shown = `[name='${escapeName(set.name)}', type='${set.type}']`;
  if (!isInside(set.name, zone.name)) {
    return [`RRSet with DNS name ${escapeName(set.name)} is not permitted in zone ${zone.name}`];
  }
  const existing = sets.get(nameAndType(set));
  if (action === 'DELETE') return deleteFaults(zone, set, existing, shown);
  if (action === 'CREATE' && existing) {
    return [`Tried to create resource record set ${shown} but it already exists`];
  }
  return [...faultsOf(set), ...cnameFaults(zone, set, sets)];
}

function deleteFaults(zone: Zone, set: RecordSet, existing: RecordSet | undefined, shown: string): string[] {
  const tried = `Tried to delete resource record set ${shown}`;
  if (!existing) return [`${tried} but it was not found`];
  if (set.name === zone.name && (set.type === 'SOA' || set.type === 'NS')) {
    return [
      `A HostedZone must contain ${set.type === 'SOA' ? 'exactly one SOA' : 'at least one NS'} record.`,
    ];
  }
  const isSame =
    existing.ttl === set.ttl &&
    existing.values.length === set.values.length &&
    existing.values.every((value) => set.values.includes(value));
  return isSame ? [] : [`${tried} but the values provided do not match the current values`];
}

/** A CNAME stands alone at its name (RFC 1034 §3.6.2), and never at the apex. */
function cnameFaults(zone: Zone, { name, type }: RecordSet, sets: ReadonlyMap<string, RecordSet>): string[] {
  const shown = `RRSet of type ${type} with DNS name ${escapeName(name)} is not permitted`;
  if (type === 'CNAME' && name === zone.name) return [`${shown} at apex in zone ${zone.name}`];
  const others = [...sets.values()].filter((set) => set.name === name && set.type !== type);
  if (type === 'CNAME' && others.length > 0) {
    return [`${shown} as it conflicts with other records with the same DNS name in zone ${zone.name}`];
  }
  if (others.some((set) => set.type === 'CNAME')) {
    return [
      `${shown} because a conflicting RRSet of type CNAME with the same DNS name already exists in zone ${zone.name}`,
    ];
  }
  return [];
}
