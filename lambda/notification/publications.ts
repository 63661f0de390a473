/** What was published, renewed or ended since people were told: manifests compared with the serials of `issuer/notified.json`. Pure. */
import { DAY_MS } from '#common/time.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { PassResult } from '../outcome.ts';
import type { NoticeMemory } from './memory.ts';

/** A change of a certificate, in all the fleets that it came to at once. */
export interface PublicationChange {
  kind: 'renewed' | 'withdrawn';
  action: string;
  certificate: string;
  fleets: string[];
  serial: string;
  previousSerial?: string | undefined;
  notAfter?: string | undefined;
  identifiers?: readonly string[] | undefined;
  at: Date;
}

export interface Publications {
  certificates: NoticeMemory['certificates'];
  changes: PublicationChange[];
}

type Manifests = PassResult['manifests'];

/** A document that nobody kept for months says nothing new. */
const NEWS_MS = 3 * DAY_MS;

interface Known {
  /** Undefined: the memory is lost, or is new. */
  certificates: NoticeMemory['certificates'] | undefined;
  /** Certificates that this pass has issued. */
  issued: ReadonlySet<string>;
  now: Date;
}

/** A fleet whose manifest is lost or cannot be read keeps what was told of it: absence is no withdrawal. */
export function followPublications(manifests: Manifests, known: Known): Publications {
  const result: Publications = { certificates: { ...known.certificates }, changes: [] };
  for (const [fleet, read] of manifests) {
    if (read === undefined) continue;
    const { certificates, tombstones = {} } = read.manifest;
    const before = known.certificates?.[fleet] ?? {};
    const entries = Object.entries(certificates);
    for (const [name, entry] of entries) {
      const change = renewalOf(fleet, name, entry, before[name]);
      if (change !== undefined && isNews(change, known)) result.changes.push(change);
    }
    for (const [name, serial] of Object.entries(before)) {
      if (certificates[name as keyof typeof certificates] !== undefined) continue;
      const ended = tombstones[name as keyof typeof tombstones];
      if (ended === undefined || !isRecent(new Date(ended.at), known.now)) continue;
      const facts = { certificate: name, fleets: [fleet], serial, at: new Date(ended.at) };
      result.changes.push({ kind: 'withdrawn', action: ended.reason, ...facts });
    }
    result.certificates[fleet] = Object.fromEntries(
      entries.map(([name, entry]) => [name, serialsOf(entry)] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }
  return { ...result, changes: joined(result.changes) };
}

function renewalOf(
  fleet: string,
  certificate: string,
  entry: ManifestEntry,
  previousSerial: string | undefined,
): PublicationChange | undefined {
  const serial = serialsOf(entry);
  if (serial === previousSerial) return undefined;
  const { rolledBackAt, publishedAt, identifiers, pems } = entry;
  const [notAfter] = pems.map((pem) => pem.notAfter).sort();
  return {
    kind: 'renewed',
    action: actionOf(entry, previousSerial),
    ...{ certificate, fleets: [fleet], serial, previousSerial, notAfter, identifiers },
    at: new Date(rolledBackAt ?? publishedAt),
  };
}

function actionOf({ issued, rolledBackAt }: ManifestEntry, previous: string | undefined): string {
  if (rolledBackAt !== undefined) return 'rolled-back';
  if (issued.origin === 'imported') return 'imported';
  return previous === undefined ? 'issued' : 'renewed';
}

function serialsOf({ pems }: ManifestEntry): string {
  return pems.map(({ serial }) => serial).join(',');
}

/** Without a memory, only what this very pass has issued. */
function isNews({ certificate, at }: PublicationChange, { certificates, issued, now }: Known): boolean {
  return certificates === undefined ? issued.has(certificate) : isRecent(at, now);
}

function isRecent(at: Date, now: Date): boolean {
  return now.getTime() - at.getTime() < NEWS_MS;
}

/** One certificate in three fleets is one change. */
function joined(changes: readonly PublicationChange[]): PublicationChange[] {
  const all = new Map<string, PublicationChange>();
  for (const change of changes) {
    const key = [change.kind, change.certificate, change.serial].join(' ');
    const known = all.get(key);
    if (known === undefined) all.set(key, { ...change, fleets: [...change.fleets] });
    else known.fleets.push(...change.fleets);
  }
  return [...all.values()];
}
