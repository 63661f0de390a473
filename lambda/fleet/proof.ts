/** Which hosts have proved certificates, as far as their statuses say: before anything is ended because others have taken its place. */
import { ABSENT_AFTER_MS, type FileStatus, type HostStatus } from '#contract/host-status.ts';
import type { CertificateName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { CertificateState } from './behind.ts';

/** A host with more overlaps names only the first: what the others are is unknown then. */
const MAX_OVERLAPS = 20;

/** What hosts have to have proved. */
export interface Successors {
  /** The certificate that they take the place of: it may still be served for the names that they share. */
  readonly of: CertificateName;
  /** As published in the fleet. */
  readonly by: ReadonlyMap<CertificateName, ManifestEntry>;
}

/** How a host stands with a certificate, of which these PEMs are published: `certificateStateOf` of behind.ts. */
export type StateOnHost = (
  status: HostStatus,
  certificate: string,
  wanted: ReadonlySet<string>,
) => Pick<CertificateState, 'state'>;

/** @returns undefined if no host lives: then nothing is proved, and nothing refuted */
export function hostsWithoutProof(
  statuses: readonly HostStatus[],
  successors: Successors,
  stateOf: StateOnHost,
  now: Date,
): string[] | undefined {
  const living = statuses.filter((status) => isLiving(status, now));
  if (living.length === 0) return undefined;
  return living.filter((status) => !provesAll(status, successors, stateOf)).map(({ host }) => host);
}

/**
 * Of the living hosts, those that serve a successor as HAProxy's description says, and that no handshake can show it (an address that
 * another host holds, a bind that does not answer). They count as hosts that serve it, for nothing else will ever come from them.
 * @returns each with its reason: `lb2 (not-here)`
 */
export function hostsUnproven(statuses: readonly HostStatus[], { by }: Successors, now: Date): string[] {
  return statuses
    .filter((status) => isLiving(status, now))
    .flatMap(({ host, files }) => {
      const reasons = files.flatMap(({ certificate, unproven }) =>
        unproven !== undefined && by.has(certificate) ? [unproven.reason] : [],
      );
      return reasons.length > 0 ? [`${host} (${[...new Set(reasons)].sort().join(', ')})`] : [];
    });
}

/** One that comes back later loses nothing: it obeys a tombstone of what was superseded only once it serves the successors itself. */
export function isLiving(
  { leftAt, reportedAt }: Pick<HostStatus, 'leftAt' | 'reportedAt'>,
  now: Date,
): boolean {
  return leftAt === undefined && now.getTime() - Date.parse(reportedAt) <= ABSENT_AFTER_MS;
}

function provesAll(status: HostStatus, { of, by }: Successors, stateOf: StateOnHost): boolean {
  const family = new Set<string>([of, ...by.keys()]);
  return [...by].every(([name, { pems }]) => {
    const wanted = new Set(pems.map(({ sha256 }) => sha256));
    if (stateOf(status, name, wanted).state !== 'served') return false;
    return status.files
      .filter(({ certificate }) => certificate === name)
      .every((file) => isHandedOut(file, family) && isNotRefuted(file));
  });
}

/** Where no handshake can tell, HAProxy's description of the file does; without one, what the host says. */
function isNotRefuted({ unproven, runtime, wanted }: FileStatus): boolean {
  return unproven === undefined || runtime === undefined || runtime.serial === wanted.serial;
}

/** For each of its names HAProxy hands out the file itself, another successor, or the one that is to go. */
function isHandedOut({ overlaps = [] }: FileStatus, family: ReadonlySet<string>): boolean {
  if (overlaps.length >= MAX_OVERLAPS) return false;
  return overlaps.every(({ by }) => family.has(by.replace(/\.pem(\.rsa|\.ecdsa)?$/, '')));
}
