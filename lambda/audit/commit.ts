/** What a commit of a manifest has changed, as lines of the audit trail. Pure. */
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry, Tombstone } from '#contract/manifest.ts';
import type { AuditFact } from './line.ts';

/** Why an entry is published: the pass, or the command, knows. */
export interface PublishedBecause {
  /** For example `issued`, `renewed`, `rolled-back`. */
  action: string;
  reason?: string | undefined;
}

type Certificates = Readonly<Record<CertificateName, ManifestEntry>>;

export interface AuditedCommit {
  fleet: FleetName;
  before: Certificates;
  after: Certificates;
  /** Names whose entry has changed, come or gone. */
  changed: ReadonlySet<CertificateName>;
  /** What this commit ends, also of what is in force no more. */
  ended: readonly { name: CertificateName; tombstone: Tombstone }[];
  because: ReadonlyMap<CertificateName, PublishedBecause>;
}

/** Fresh staples change nothing that a person has decided. */
export function factsOfCommit({ fleet, before, after, changed, ended, because }: AuditedCommit): AuditFact[] {
  const words = new Map(ended.map(({ name, tombstone }) => [name, tombstone]));
  const ofEntries = [...changed].flatMap((certificate): AuditFact[] => {
    const [old, entry] = [before[certificate], after[certificate]];
    const serials = { before: serialsOf(old), after: serialsOf(entry) };
    const isSame = serials.before.join() === serials.after.join();
    const word = words.get(certificate);
    if (isSame) {
      const isOtherLine = JSON.stringify(old?.haproxy) !== JSON.stringify(entry?.haproxy);
      return isOtherLine ? [{ action: 'line-changed', fleet, certificate, ...serials }] : [];
    }
    if (word !== undefined) return [{ ...factOf(word), fleet, certificate, ...serials }];
    if (entry === undefined) return [{ action: 'expired', fleet, certificate, ...serials }];
    const { action, reason } = because.get(certificate) ?? { action: 'published' };
    return [{ action, fleet, certificate, ...serials, ...(reason && { reason }) }];
  });
  const others = [...words].filter(([name]) => !changed.has(name));
  const ofEarlier = others.map(([certificate, word]): AuditFact => {
    const ended = endedSerials(word, before[certificate]);
    const left = serialsOf(after[certificate]);
    return { ...factOf(word), fleet, certificate, ...(ended.length > 0 && { before: ended }), after: left };
  });
  return [...ofEntries, ...ofEarlier];
}

function factOf({ reason, by }: Tombstone): Pick<AuditFact, 'action' | 'reason'> {
  return {
    action: reason.slice(0, 64),
    ...(by && { reason: `in its place: ${by.slice(0, 10).join(', ')}` }),
  };
}

/** A tombstone has no serials; the publication before the one in force is all that a manifest says of what was in force. */
function endedSerials({ pems }: Tombstone, entry: ManifestEntry | undefined): string[] {
  const ended = new Set(pems.map(({ sha256 }) => sha256));
  const former = entry?.previous?.pems ?? [];
  return former.filter(({ sha256 }) => ended.has(sha256)).map(({ serial }) => serial);
}

function serialsOf(entry: ManifestEntry | undefined): string[] {
  return (entry?.pems ?? []).map(({ serial }) => serial);
}
