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
import { servedSerial, servedVersions } from './changes.ts';
import { type ReadRecord, readDeparted, readServed, type ServedSpan } from './record.ts';

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
  /** `fleet/certificate`, whose record is lost, at least in part, or does not go back so far. */
  incomplete: string[];
}

/** What the audit trail says of a version: when another one took its place, if one did. */
export interface Publication extends Subject {
  until: Date | undefined;
}

export interface ServedQuestion {
  /** Without leading zeros (`bareSerial`); undefined: all versions. */
  serial?: string | undefined;
  /** Of `serial`: a record that cannot know of one says nothing of it. */
  publications?: readonly Publication[] | undefined;
  /** Whose hosts are read beside those of the subjects. */
  fleets?: readonly FleetName[] | undefined;
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
 * What hosts say now counts also where there is no record of it: the next pass writes it, and may have lost it.
 * @throws BucketError
 */
export async function readExposures(
  bucket: Bucket,
  subjects: readonly Subject[],
  { serial, publications = [], fleets: others = [] }: ServedQuestion,
): Promise<Exposures> {
  const fleets = [...new Set([...subjects.map(({ fleet }) => fleet), ...others])];
  const hosts = new Map<FleetName, FleetHosts>();
  const unreadableHosts: string[] = [];
  for (const fleet of fleets) {
    const { statuses, unreadable } = await readStatuses(bucket, fleet);
    unreadableHosts.push(...unreadable.map(({ host }) => `${fleet}/${host}`));
    hosts.set(fleet, {
      statuses: new Map(statuses.map((one) => [one.host, one])),
      departed: await readDeparted(bucket, fleet),
    });
  }
  const isMeant = (one: string) => serial === undefined || bareSerial(one) === serial;
  const incomplete: string[] = [];
  const all = await inParallel(
    subjects,
    CONCURRENCY,
    async (subject) => {
      const known = hosts.get(subject.fleet) ?? { statuses: new Map(), departed: {} };
      const record = await readServed(bucket, subject.fleet, subject.certificate);
      if (!isComplete(record, isMeant, publications.filter(isOf(subject)))) incomplete.push(textOf(subject));
      const versions = record.versions.filter((version) => isMeant(version.serial));
      return versions.flatMap((version) =>
        Object.entries(version.hosts).flatMap(([host, spans]) =>
          spans.map((span) => exposureOf({ ...subject, host, serial: version.serial }, span, known)),
        ),
      );
    },
    textOf,
  );
  const recorded = all.flat();
  const known = new Set(recorded.filter(({ isServing }) => isServing).map(idOf));
  const told = [...hosts.values()].flatMap(({ statuses }) =>
    [...statuses.values()].flatMap((status) => servedNow(status, subjects, serial)),
  );
  return {
    exposures: [...recorded, ...told.filter((one) => !known.has(idOf(one)))].sort(byStart),
    unreadable: unreadableHosts,
    incomplete: incomplete.sort(),
  };
}

const textOf = ({ fleet, certificate }: Subject) => `${fleet}/${certificate}`;
const idOf = ({ fleet, host, certificate, serial }: Exposure) =>
  [fleet, host, certificate, bareSerial(serial)].join('/');
const isOf = (subject: Subject) => (one: Subject) => textOf(one) === textOf(subject);

/** A version that the record does not name was served by nobody if the record was there while it was in force. */
function isComplete(
  { versions, isIncomplete }: ReadRecord,
  isMeant: (serial: string) => boolean,
  publications: readonly Publication[],
): boolean {
  if (isIncomplete) return false;
  if (publications.length === 0 || versions.some(({ serial }) => isMeant(serial))) return true;
  const spans = versions.flatMap(({ hosts }) => Object.values(hosts).flat());
  const begin = spans.reduce<Date | undefined>(
    (first, span) => (first === undefined || span.first < first ? span.first : first),
    undefined,
  );
  return begin !== undefined && publications.every(({ until }) => until === undefined || begin <= until);
}

/** By its last report. */
function servedNow(status: ReadStatus, subjects: readonly Subject[], serial: string | undefined): Exposure[] {
  const isOfSerial = (file: ReadStatus['files'][number]) => bareSerial(servedSerial(file) ?? '') === serial;
  const certificates =
    serial === undefined
      ? subjects.filter(({ fleet }) => fleet === status.fleet).map(({ certificate }) => certificate)
      : status.files
          .filter(isOfSerial)
          .flatMap((file) => certificateName.safeParse(file.certificate).data ?? []);
  const last = new Date(status.reportedAt);
  return [...new Set(certificates)].flatMap((certificate) =>
    servedVersions(status, certificate)
      .filter((version) => serial === undefined || bareSerial(version.serial) === serial)
      .map((version) => ({
        ...{ fleet: status.fleet, certificate, host: status.host, serial: version.serial },
        ...{ first: version.since, last, isServing: true, isProved: version.isProved },
      })),
  );
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
