/**
 * Published PEMs that hosts hold as ended: `issuer/` and `published/` were put back from before the tombstone, so only the hosts remember it,
 * and they never install that PEM. A host may say anything: what it says alone counts only where no other host lives in its fleet, and a
 * certificate is ordered once a week at most on the word of hosts. Pure.
 */
import { DAY_MS } from '#common/time.ts';
import type { CertificateName } from '#contract/layout.ts';
import type { Manifest, ManifestEntry } from '#contract/manifest.ts';
import type { HostSummaries } from './hosts.ts';
import { isLiving } from './proof.ts';
import type { HostSummary, SummariesByHost } from './summary.ts';

/** On the word of hosts alone, one order of a certificate in this time. */
const ORDERED_EVERY_MS = 7 * DAY_MS;

type Hosts = HostSummaries['fleets'];
type EndedOrders = HostSummaries['endedOrders'];

/** Whether two hosts that have read this entry, or the only one of a fleet, hold one of its PEMs as ended, and that counts now. */
export function isEndedAtHosts(
  name: CertificateName,
  entry: ManifestEntry | undefined,
  { hosts, endedOrders = {} }: { hosts: Hosts; endedOrders?: EndedOrders | undefined },
  now: Date,
): boolean {
  if (entry === undefined) return false;
  const last = endedOrders[name];
  if (last !== undefined && Math.abs(now.getTime() - last.getTime()) < ORDERED_EVERY_MS) return false;
  // What a host said before it read this entry is about an earlier one of the same PEM.
  const holds = ({ head, endedPems = [] }: HostSummary) =>
    (head === undefined || head.sequence >= (entry.sequence ?? 0)) && names(endedPems, entry.pems);
  if (present(hosts).filter(holds).length > 1) return true;
  return Object.values(hosts).some((summaries) => {
    const all = Object.values(summaries).filter(({ hasLeft }) => !hasLeft);
    const holder = all.find(holds);
    return holder !== undefined && !all.some((one) => one !== holder && isReporting(one, now));
  });
}

/**
 * Whether each living host of a fleet, and there is one, has read this entry and holds all of its PEMs as ended: nobody serves it, and
 * nobody will.
 */
export function isEndedAtAllHosts(
  entry: ManifestEntry,
  fleet: SummariesByHost | undefined,
  now: Date,
): boolean {
  const living = Object.values(fleet ?? {}).filter((host) => !host.hasLeft && isReporting(host, now));
  return (
    living.length > 0 &&
    living.every(
      ({ head, endedPems = [] }) =>
        head !== undefined &&
        head.sequence >= (entry.sequence ?? 0) &&
        entry.pems.every(({ sha256 }) => endedPems.includes(sha256)),
    )
  );
}

/**
 * By certificate: when another PEM was published in the place of one that hosts held as ended. A pass that was killed before it kept this is
 * made up for by the next one.
 * @param hosts what they had reported before the pass
 */
export function nextEndedOrders(
  before: EndedOrders,
  { hosts, manifests }: { hosts: Hosts; manifests: readonly Manifest[] },
  now: Date,
): EndedOrders {
  const isRecent = ([, at]: [string, Date]) => now.getTime() - at.getTime() < ORDERED_EVERY_MS;
  const next = new Map(Object.entries(before).filter(isRecent));
  const claimed = [...new Set(present(hosts).flatMap(({ endedPems = [] }) => endedPems))];
  if (claimed.length === 0) return Object.fromEntries(next);
  for (const [name, { previous }] of manifests.flatMap((one) => Object.entries(one.certificates))) {
    if (!next.has(name) && names(claimed, previous?.pems ?? [])) next.set(name, now);
  }
  return Object.fromEntries(next);
}

const present = (hosts: Hosts) =>
  Object.values(hosts).flatMap((summaries) => Object.values(summaries).filter(({ hasLeft }) => !hasLeft));

const isReporting = ({ reportedAt }: HostSummary, now: Date) =>
  isLiving({ reportedAt: reportedAt.toISOString() }, now);

function names(digests: readonly string[], pems: readonly { sha256: string }[]): boolean {
  return pems.some(({ sha256 }) => digests.includes(sha256));
}
