// Route 53: hosted zones and their records, as fast as requests may come, and what tests set up without requests.
import { AwsFailure, type Service } from '../wire.ts';
import { isInside, normalizeName } from './names.ts';
import { type Route53Ground, readRoute53 } from './operations.ts';
import type { RecordSet } from './records.ts';
import { createZones, type Zones } from './zones.ts';

export interface Route53Options {
  /** how long a change is PENDING; default: 150 */
  insyncAfterMs?: number;
  /** per account; default: 5, as in AWS */
  requestsPerSecond?: number;
}

export interface ZoneOptions {
  name: string;
  isPrivate?: boolean;
  /** default: the stand-in's own */
  accountId?: string;
  /** whether the zone above names it; default: yes */
  isDelegated?: boolean;
  /** served at once */
  records?: readonly RecordSet[];
}

export type Route53 = ReturnType<typeof createRoute53>;

export function createRoute53(
  { accountId, now }: { accountId: string; now: () => Date },
  options: Route53Options = {},
) {
  let { insyncAfterMs = 150 } = options;
  const { requestsPerSecond = 5 } = options;
  const zones = createZones(now, () => insyncAfterMs);
  const ground: Route53Ground = { zones, now, admit: createRateLimit(now, requestsPerSecond) };
  const service: Service = {
    protocol: 'xml',
    read: (request, caller) => readRoute53(ground, request, caller),
  };
  const atOnce = <Result>(make: () => Result): Result => {
    const usual = insyncAfterMs;
    insyncAfterMs = 0;
    const made = make();
    insyncAfterMs = usual;
    return made;
  };
  return {
    service,
    zones,
    /** Makes a zone without a request. @returns its id */
    createZone: (options: ZoneOptions) => atOnce(() => createZone(zones, { accountId, ...options })),
    /** the zone's records as the API shows them, but for NS and SOA at its apex */
    records: (zoneId: string): RecordSet[] => {
      const { name: apex, records } = zones.find(zoneId);
      return records.filter(({ name, type }) => name !== apex || (type !== 'NS' && type !== 'SOA'));
    },
    /** of changes from now on; Infinity: never */
    setInsyncAfter: (ms: number) => {
      insyncAfterMs = ms;
    },
  };
}

function createZone(zones: Zones, options: ZoneOptions & { accountId: string }): string {
  const { isDelegated = true, records = [], isPrivate = false } = options;
  const { zone } = zones.create(options);
  const added = records.map((set) => ({ ...set, name: normalizeName(set.name) }));
  zones.publish(zone, [...zone.records, ...added]);
  const above = zones
    .all()
    .filter((other) => !other.isPrivate && other.name !== zone.name && isInside(zone.name, other.name))
    .sort((one, other) => other.name.length - one.name.length)[0];
  if (above && isDelegated && !isPrivate) {
    const delegation = { name: zone.name, type: 'NS', ttl: 300, values: zone.nameServers };
    zones.publish(above, [...above.records, delegation]);
  }
  return zone.id;
}

/** Each second by itself; what was refused does not count. */
function createRateLimit(now: () => Date, requestsPerSecond: number): (accountId: string) => void {
  const admitted = new Map<string, number[]>();
  return (accountId) => {
    const at = now().getTime();
    const recent = (admitted.get(accountId) ?? []).filter((time) => time > at - 1000);
    if (recent.length >= requestsPerSecond) throw new AwsFailure(400, 'Throttling', 'Rate exceeded');
    admitted.set(accountId, [...recent, at]);
  };
}
