/** `pemfleet audit --serial`: which hosts served a version, from when until when. What is lost or cannot be read is no "nobody". */
import { table } from '#common/table.ts';
import { minuteText } from '#common/time.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { AuditLine } from '../../audit/line.ts';
import type { ReadTrail } from '../../audit/read.ts';
import { type Config, configuredFleets } from '../../config/config.ts';
import {
  type Exposure,
  isServedAfter,
  type Publication,
  readExposures,
  recordedSubjects,
  type Subject,
} from '../../fleet/served/query.ts';
import { publishedFleets } from '../../publication/fleets.ts';
import { bareSerial } from '../../replacement/covered.ts';
import { print, printJson, printToStderr, rowWidth } from '../command.ts';
import { EXIT } from '../output.ts';

interface Question {
  trail: ReadTrail;
  /** Without leading zeros (`bareSerial`). */
  serial: string;
  after: Date | undefined;
  isMeant: (one: Pick<AuditLine, 'fleet' | 'certificate'>) => boolean;
  only: FleetName | undefined;
  /** What the answer is about, in words. */
  about: string;
}

/** @returns the exit status: 0 nobody, 1 somebody (after `after`), 2 nobody can tell */
export async function showServed(
  { bucket, config }: { bucket: Bucket; config: Config },
  json: boolean,
  { trail, serial, after, isMeant, only, about }: Question,
): Promise<number> {
  const publications = publicationsOf(trail, serial).filter(isMeant);
  const subjects = (await subjectsOf(bucket, trail, serial, publications)).filter(isMeant);
  // Nothing says where it was published: every host is heard.
  const fleets =
    publications.length > 0 ? [] : [...configuredFleets(config), ...(await publishedFleets(bucket))];
  const meant = fleets.filter((fleet) => only === undefined || fleet === only);
  const read = await readExposures(bucket, subjects, { serial, publications, fleets: meant });
  const exposures = read.exposures.filter(isMeant);
  const { unreadable, incomplete } = read;
  const served = exposures.filter((one) => isServedAfter(one, after));
  const isKnown =
    exposures.length > 0 || trail.lines.some((line) => isMeant(line) && has(line.after, serial));
  if (json)
    printJson({
      ...{ version: 1, serial, after, hosts: served, unreadable, incomplete },
      ...{ isKnown, problems: trail.problems },
    });
  else if (served.length > 0) print(table([SERVED_HEAD, ...served.map(servedRow)], rowWidth()));
  const since = after === undefined ? '' : ` after ${minuteText(after.toISOString())}`;
  const hosts = new Set(served.map(({ fleet, host }) => `${fleet}/${host}`)).size;
  printToStderr(
    isKnown
      ? `${hosts} ${hosts === 1 ? 'host' : 'hosts'} served ${spelt(serial)}${since}\n`
      : `nothing of ${about} is known to have the serial ${spelt(serial)}\n`,
  );
  for (const host of unreadable) {
    printToStderr(`${host}: its report cannot be read: what it serves now is unknown\n`);
  }
  for (const subject of incomplete) {
    printToStderr(
      `${subject}: its record was lost, at least in part, or does not go back so far: who has served it before is unknown\n`,
    );
  }
  if (!isKnown || unreadable.length + incomplete.length > 0) return EXIT.unknown;
  return after !== undefined && served.length > 0 ? EXIT.failed : EXIT.ok;
}

/** As certificates and all other commands have it: whole bytes. */
const spelt = (serial: string) => (serial.length % 2 === 0 ? serial : `0${serial}`);

function has(serials: readonly string[] | undefined, serial: string): boolean {
  return serials?.some((one) => bareSerial(one) === serial) ?? false;
}

/** Where the trail says that it was published, and when another one took its place there. */
function publicationsOf({ lines }: ReadTrail, serial: string): Publication[] {
  const last = new Map<string, Publication>();
  for (const { fleet, certificate, after, at } of lines) {
    if (fleet === undefined || certificate === undefined || after === undefined) continue;
    const key = `${fleet}/${certificate}`;
    const before = last.get(key);
    if (has(after, serial)) last.set(key, { fleet, certificate, until: undefined });
    else if (before !== undefined) last.set(key, { ...before, until: before.until ?? new Date(at) });
  }
  return [...last.values()];
}

/** Whatever the trail or a record names; where the trail does not name the certificate, all that there is a record of. */
async function subjectsOf(
  bucket: Bucket,
  { lines }: ReadTrail,
  serial: string,
  publications: readonly Publication[],
): Promise<Subject[]> {
  const isNamed = ({ before, after }: AuditLine) => has(before, serial) || has(after, serial);
  const named = new Set(lines.filter(isNamed).map(({ certificate }) => certificate));
  const all = await recordedSubjects(bucket);
  const some = all.filter(({ certificate }) => named.has(certificate));
  const recorded = named.size > 0 ? some : all;
  const published = publications.map(({ fleet, certificate }) => subjectOf(fleet, certificate));
  const byText = [...recorded, ...published].map((one) => [`${one.fleet}/${one.certificate}`, one] as const);
  return [...new Map(byText).values()];
}

function subjectOf(fleet: FleetName, certificate: CertificateName): Subject {
  return { fleet, certificate };
}

const SERVED_HEAD = ['HOST', 'FLEET', 'CERTIFICATE', 'FROM', 'LAST REPORT', 'UNTIL', 'PROVED'];

function servedRow({ host, fleet, certificate, first, last, gone, isServing, isProved }: Exposure): string[] {
  const text = (time: Date) => minuteText(time.toISOString());
  const until = isServing ? 'serves it' : gone === undefined ? 'reports no more' : `before ${text(gone)}`;
  return [host, fleet, certificate, text(first), text(last), until, isProved ? 'handshake' : 'no'];
}
