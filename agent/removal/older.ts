/**
 * Entries of the manifest that this host does not take: older than what it has, or ended. Such is a manifest of yesterday that was put back
 * under a higher sequence.
 */
import { printable } from '#common/printable.ts';
import type { EndedEntry } from '#contract/host-status.ts';
import type { DesiredFile } from '../desired/files.ts';
import { type EndedPems, endsByDigest } from '../state/ended.ts';
import type { Condition } from '../trust/conditions.ts';
import { isOwnContent, type OwnFiles, readUnlisted, sequenceOf } from './unlisted.ts';

/** @returns the names of the certificates whose files stay as they are: valid, not ended, and of a later entry */
export function olderEntries(
  desired: readonly DesiredFile[],
  own: OwnFiles,
  ended: EndedPems,
  now: Date,
): Set<string> {
  const entries = new Map<string, { sequence: number; digests: string[] }>();
  for (const { certificate, sequence, sha256 } of desired) {
    // Version 1 does not say.
    if (sequence === undefined) continue;
    const digests = [...(entries.get(certificate)?.digests ?? []), sha256];
    entries.set(certificate, { sequence, digests });
  }
  const ends = endsByDigest(ended);
  const isLater = (file: string) => {
    const entry = entries.get(own.records.get(file)?.certificate ?? '');
    const sequence = sequenceOf(file, own);
    const { sha256 = '' } = own.disk.get(file) ?? {};
    if (entry === undefined || sequence <= entry.sequence || entry.digests.includes(sha256)) return false;
    const isEnded = ends.get(sha256)?.some((word) => word.sequence >= sequence) ?? false;
    if (isEnded || !isOwnContent(file, own)) return false;
    const notAfter = readUnlisted(file, own)?.notAfter;
    return notAfter !== undefined && now < notAfter;
  };
  const later = [...own.records.keys()].filter(isLater);
  return new Set(later.flatMap((file) => own.records.get(file)?.certificate ?? []));
}

/** A half of a pair that is gone from the disk is better than none, though it is older. */
export function isReplaceable({ file, sequence = 0 }: DesiredFile, { disk, records }: OwnFiles): boolean {
  const isKnown = records.get(file)?.receipts?.some((one) => one.sequence > sequence) ?? false;
  return isKnown && !disk.has(file);
}

const MAX_NAMES = 5;

/** For the status and the log; none where there is no older entry. */
export function olderCondition(certificates: ReadonlySet<string>): Condition<'older-entry'>[] {
  if (certificates.size === 0) return [];
  const saw = `the manifest names older PEMs than this host has, of ${someOf(certificates)}; the host keeps its own`;
  const fix =
    'nothing: the issuer publishes the newer ones again, or renews them; if nothing was restored, somebody has put old copies back';
  return [{ condition: 'older-entry', saw, fix }];
}

/** For the status and the log: what is published and refused must not look as if nobody had published it. */
export function endedCondition(entries: readonly EndedEntry[]): Condition<'ended-entry'>[] {
  if (entries.length === 0) return [];
  const certificates = new Set(entries.map(({ certificate }) => certificate));
  const saw = `the manifest names PEMs that a tombstone has ended, of ${someOf(certificates)}; the host does not install them`;
  const fix =
    'nothing, if the certificate is configured: the issuer orders another one within two passes (pem-ended) if another host says the same or none else lives, once a week at most, and at once by pemfleet run --force-renewal; if nothing was restored, somebody has put old copies back';
  return [{ condition: 'ended-entry', saw, fix }];
}

function someOf(certificates: ReadonlySet<string>): string {
  const names = [...certificates].sort();
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
  return `${names.slice(0, MAX_NAMES).map(printable).join(', ')}${more}`;
}
