/** TXT record sets of a zone and the changes that lead from one to another; pure. */

/** As Route 53 has them: `"quoted"`, in any order. */
export interface TxtRecordSet {
  ttl: number;
  values: readonly string[];
}

/** One value to be added to a record set, or to be removed from it. */
export interface TxtRequest {
  name: string;
  value: string;
  isWanted: boolean;
}

export interface TxtChange {
  action: 'CREATE' | 'DELETE';
  name: string;
  set: TxtRecordSet;
}

/** Seconds: validators ask the name servers themselves, caches may keep a wrong value this long. */
const TTL = 60;

/** Keeps other people's values, and their TTL. @returns undefined if no value is left */
export function applied(
  before: TxtRecordSet | undefined,
  requests: readonly TxtRequest[],
): TxtRecordSet | undefined {
  const values = new Set(before?.values);
  for (const { value, isWanted } of requests) {
    if (isWanted) values.add(value);
    else values.delete(value);
  }
  return values.size === 0 ? undefined : { ttl: before?.ttl ?? TTL, values: [...values] };
}

/** Writes the same set again: there is a change to wait for then, where another writer's may still be on its way. */
export function rewritten(name: string, set: TxtRecordSet): TxtChange[] {
  return [
    { action: 'DELETE', name, set },
    { action: 'CREATE', name, set },
  ];
}

/**
 * A delete has to name what is there exactly, and a create refuses what exists: together, in one atomic batch, they
 * change what we have read and nothing else. An UPSERT would overwrite what came in between.
 */
export function changesBetween(
  name: string,
  before: TxtRecordSet | undefined,
  after: TxtRecordSet | undefined,
): TxtChange[] {
  if (sameSet(before, after)) return [];
  return [
    ...(before === undefined ? [] : [{ action: 'DELETE' as const, name, set: before }]),
    ...(after === undefined ? [] : [{ action: 'CREATE' as const, name, set: after }]),
  ];
}

function sameSet(a: TxtRecordSet | undefined, b: TxtRecordSet | undefined): boolean {
  return a?.ttl === b?.ttl && [...(a?.values ?? [])].sort().join() === [...(b?.values ?? [])].sort().join();
}
