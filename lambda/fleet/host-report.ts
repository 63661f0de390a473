/** What single hosts report beside the certificates that are published: conditions, files that nothing names, removals. Pure. */
import type { HostCondition, HostStatus, RemovalStatus } from '#contract/host-status.ts';

export interface HostReport {
  host: string;
  /** What is true of the host as a whole: it does not follow what is published, or follows what nobody has confirmed. */
  conditions: HostCondition[];
  /** Files that the manifest does not name: served until they expire. */
  unlisted: UnlistedFile[];
  /** Files that are to go, and are still there. */
  removals: RemovalStatus[];
}

export interface UnlistedFile {
  file: string;
  certificate: string;
  notAfter?: string | undefined;
}

/** The host serves what is published all the same. Whoever leaves it so has chosen it. */
const HARMLESS: ReadonlySet<string> = new Set(['key-unverified', 'unsigned-manifest', 'clock-off']);

/** @returns the hosts that have something to say. One that has left is not among them */
export function reportHosts(statuses: readonly HostStatus[]): HostReport[] {
  const present = statuses.filter(({ leftAt }) => leftAt === undefined);
  return present.flatMap((status) => {
    const { host, conditions = [], removals = [] } = status;
    const unlisted = unlistedFilesIn(status);
    const isQuiet = conditions.length + removals.length + unlisted.length === 0;
    return isQuiet ? [] : [{ host, conditions, unlisted, removals }];
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
