/** What single hosts report beside the certificates that are published: conditions, files that nothing names, removals. Pure. */
import { DAY_MS } from '#common/time.ts';
import type { Drift, FileStatus, HostCondition, HostStatus, RemovalStatus } from '#contract/host-status.ts';
import type { ReadStatus } from './read-status.ts';

export interface HostReport {
  host: string;
  /** What is true of the host as a whole: it does not follow what is published, or follows what nobody has confirmed. */
  conditions: HostCondition[];
  /** Files that the manifest does not name: served until they expire. */
  unlisted: UnlistedFile[];
  /** Files that are to go, and are still there. */
  removals: RemovalStatus[];
  /** What keeps the whole host from its work. */
  error?: HostStatus['error'];
  /** By how much its clock is ahead of the store's, in ms (behind: negative); absent: they agree. */
  clockOffsetMs?: number;
  /** Served as HAProxy says, and by no handshake. */
  unproven: UnprovenFile[];
  /** What HAProxy serves though it has expired. */
  expired: ExpiredFile[];
  /** Found different and repaired, in the last 14 days. */
  drift: Drift[];
  proofs?: HostStatus['proofs'];
  /** When it said all this. */
  reportedAt: string;
}

export interface UnprovenFile extends NonNullable<FileStatus['unproven']> {
  file: string;
  certificate: string;
}

export interface ExpiredFile {
  file: string;
  certificate: string;
  notAfter: string;
}

export interface UnlistedFile {
  file: string;
  certificate: string;
  notAfter?: string | undefined;
}

/** The host serves what is published all the same. Whoever leaves it so has chosen it. */
const HARMLESS: ReadonlySet<string> = new Set([
  ...['key-unverified', 'unsigned-manifest', 'clock-off', 'bind-unreachable'],
]);

/** Why no handshake can show a file though nothing is wrong: so the host is configured, and another bind shows it where one can. */
const BY_DESIGN: ReadonlySet<string> = new Set([
  ...['not-here', 'client-certificate', 'no-common-cipher', 'no-handshake-configured', 'no-name'],
  'not-askable',
]);
/** Of the 14 days that a host keeps a drift. */
const RETURNING_DAYS = 3;
/** What has not come back for so long is over. */
const RETURNING_WITHIN_MS = 2 * DAY_MS;

/** @param reason of `unproven` */
export function isUnprovenByDesign(reason: string): boolean {
  return BY_DESIGN.has(reason);
}

/** Something undoes the agent's work again and again. @param at when it was found last */
export function isReturningDrift({ days, at }: { days: number; at: Date }, now: Date): boolean {
  return days >= RETURNING_DAYS && now.getTime() - at.getTime() < RETURNING_WITHIN_MS;
}

/** @returns the hosts that have something to say. One that has left is not among them */
export function reportHosts(statuses: readonly ReadStatus[], now: Date): HostReport[] {
  const present = statuses.filter(({ leftAt }) => leftAt === undefined);
  return present.flatMap((status) => {
    const {
      host,
      conditions = [],
      removals = [],
      drift = [],
      error,
      clockOffsetMs,
      proofs,
      reportedAt,
    } = status;
    const unlisted = unlistedFilesIn(status);
    const [unproven, expired] = [unprovenFilesIn(status), expiredFilesIn(status, now)];
    const all = [conditions, removals, unlisted, unproven, expired, drift];
    const isQuiet =
      all.every(({ length }) => length === 0) && error === undefined && !clockOffsetMs && !proofs;
    const lists = { conditions, unlisted, removals, unproven, expired, drift };
    return isQuiet
      ? []
      : [{ host, ...lists, error, ...(clockOffsetMs && { clockOffsetMs }), proofs, reportedAt }];
  });
}

function unprovenFilesIn({ files }: HostStatus): UnprovenFile[] {
  return files.flatMap(({ file, certificate, unproven }) =>
    unproven === undefined ? [] : [{ ...unproven, file, certificate }],
  );
}

/** By what HAProxy shows: it goes on serving what has expired. */
function expiredFilesIn({ files }: HostStatus, now: Date): ExpiredFile[] {
  return files.flatMap(({ file, certificate, runtime, notAfter = runtime?.notAfter }) => {
    const isExpired = notAfter !== undefined && new Date(notAfter) <= now;
    return isExpired ? [{ file, certificate, notAfter }] : [];
  });
}

/** Those that expire first come first, those of unknown end last. */
export function unlistedFilesIn({ files }: Pick<HostStatus, 'files'>): UnlistedFile[] {
  const unlisted = files
    .filter(({ isUnlisted }) => isUnlisted)
    .map(({ file, certificate, notAfter }) => ({ file, certificate, ...(notAfter && { notAfter }) }));
  const endOf = ({ notAfter }: UnlistedFile) => notAfter ?? '~';
  return unlisted.sort((a, b) => (endOf(a) < endOf(b) ? -1 : 1));
}

/** Whether a host follows what is published. @param conditions by their names */
export function followsManifest(conditions: readonly string[]): boolean {
  return conditions.every((condition) => HARMLESS.has(condition));
}
