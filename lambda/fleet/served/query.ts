/** Which hosts have served a version, from when until when: the record, and what hosts say now. */
import { inParallel } from '#common/in-parallel.ts';
import {
  type CertificateName,
  certificateName,
  documentName,
  type FleetName,
  fleetName,
  layout,
} from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { bareSerial } from '../../replacement/covered.ts';
import { readStatuses } from '../read-reports.ts';
import type { ReadStatus } from '../read-status.ts';
import { servedVersions } from './changes.ts';
import { readDeparted, readServed, type ServedSpan } from './record.ts';

const CONCURRENCY = 10;

/** A certificate in a fleet. */
export interface Subject {
  fleet: FleetName;
  certificate: CertificateName;
}

/** One host served one version once. */
export interface Exposure extends Subject {
  host: string;
  serial: string;
  first: Date;
  /** The last report that says so, or the last proof. */
  last: Date;
  /** The first report that says so no more; absent: it is served still, or the host's status is gone. */
  gone?: Date | undefined;
  /** Its last report says so. */
  isServing: boolean;
  /** A TLS handshake has shown it. */
  isProved: boolean;
}

export interface Exposures {
  /** The earliest first. */
  exposures: Exposure[];
  /** `fleet/host`, whose last report cannot be read: what they serve now is unknown. */
  unreadable: string[];
  /** `fleet/certificate`, whose record is lost, at least in part. */
  incomplete: string[];
}

const byStart = (a: Exposure, b: Exposure) => a.first.getTime() - b.first.getTime();

/** All that there is a record of. @throws BucketError */
export async function recordedSubjects(bucket: Bucket): Promise<Subject[]> {
  const keys = await bucket.list(layout.allServed);
  return keys.flatMap((key) => {
    const [folder = '', name = ''] = documentName(layout.allServed, key).split('/');
    const [fleet, certificate] = [fleetName.safeParse(folder).data, certificateName.safeParse(name).data];
    return fleet === undefined || certificate === undefined ? [] : [{ fleet, certificate }];
  });
}

/**
 * @param serial without leading zeros (`bareSerial`); undefined: all versions
 * @throws BucketError
 */
export async function readExposures(
  bucket: Bucket,
  subjects: readonly Subject[],
  serial: string | undefined,
): Promise<Exposures> {
  const fleets = [...new Set(subjects.map(({ fleet }) => fleet))];
  const hosts = new Map<FleetName, FleetHosts>();
  const unreadableHosts: string[] = [];
  const incomplete: string[] = [];
  for (const fleet of fleets) {
    const { statuses, unreadable } = await readStatuses(bucket, fleet);
    unreadableHosts.push(...unreadable.map(({ host }) => `${fleet}/${host}`));
    hosts.set(fleet, {
      statuses: new Map(statuses.map((one) => [one.host, one])),
      departed: await readDeparted(bucket, fleet),
    });
  }
  const all = await inParallel(
    subjects,
    CONCURRENCY,
    async (subject) => {
      const known = hosts.get(subject.fleet) ?? { statuses: new Map(), departed: {} };
      const { versions: recorded, isIncomplete } = await readServed(
        bucket,
        subject.fleet,
        subject.certificate,
      );
      if (isIncomplete) incomplete.push(`${subject.fleet}/${subject.certificate}`);
      const versions = recorded.filter(
        (version) => serial === undefined || bareSerial(version.serial) === serial,
      );
      return versions.flatMap((version) =>
        Object.entries(version.hosts).flatMap(([host, spans]) =>
          spans.map((span) => exposureOf({ ...subject, host, serial: version.serial }, span, known)),
        ),
      );
    },
    ({ fleet, certificate }) => `${fleet}/${certificate}`,
  );
  return { exposures: all.flat().sort(byStart), unreadable: unreadableHosts, incomplete: incomplete.sort() };
}

interface FleetHosts {
  statuses: ReadonlyMap<string, ReadStatus>;
  departed: Readonly<Record<string, Date>>;
}

function exposureOf(
  key: Pick<Exposure, 'fleet' | 'certificate' | 'host' | 'serial'>,
  { first, last, gone, isProved: wasProved }: ServedSpan,
  { statuses, departed }: FleetHosts,
): Exposure {
  const isProved: boolean = wasProved ?? false;
  const known = { ...key, first, isProved };
  if (gone !== undefined) return { ...known, last, gone, isServing: false };
  const status = statuses.get(key.host);
  if (status === undefined) {
    const left = departed[key.host];
    return { ...known, last: left !== undefined && left > last ? left : last, isServing: false };
  }
  const at = new Date(status.reportedAt);
  const now = servedVersions(status, key.certificate).find(
    ({ serial }) => bareSerial(serial) === bareSerial(key.serial),
  );
  if (now === undefined) return { ...known, last, gone: at, isServing: false };
  return { ...known, last: at, isServing: true, isProved: isProved || now.isProved };
}

/** @param after undefined: at any time */
export function isServedAfter({ last, gone, isServing }: Exposure, after: Date | undefined): boolean {
  return after === undefined || isServing || (gone ?? last) > after;
}
