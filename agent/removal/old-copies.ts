/**
 * Private keys that were replaced: what another program had put in the place of a file of ours stays beside it (deploy/install.ts), and what
 * `pemfleet adopt` has found there, for as long as the issuer keeps keys of superseded certificates, no longer than until the certificate
 * ends, and not a moment if somebody has stolen them.
 */
import { unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { DAY_MS } from '#common/time.ts';
import type { CertificateName } from '#contract/layout.ts';
import type { Manifest, Tombstone } from '#contract/manifest.ts';
import type { HostView } from '../agent.ts';
import { AT_A_STRETCH, readPlainFile } from '../deploy/disk.ts';
import { type ReplacedCopy, replacedCopies } from '../deploy/install.ts';
import { leafEndIn } from '../deploy/pem-facts.ts';
import { hasPassed } from '../state/ended.ts';
import type { FileRecord } from '../state/file-record.ts';
import type { CopyEnd, ProcessMemory } from '../state/memory.ts';
import { possibleFileNames } from './recognized.ts';

type CopyView = Pick<HostView, 'config' | 'haproxy' | 'log' | 'now' | 'ownership'>;

/** While HAProxy does not say what it has loaded, all of them stay. What cannot be deleted is said, and holds up nothing. */
export async function dropOldCopies(
  view: CopyView,
  manifest: Manifest,
  records: { get(file: string): FileRecord | undefined },
  { copyEnds }: Pick<ProcessMemory, 'copyEnds'>,
): Promise<void> {
  const { config, haproxy, log, now, ownership } = view;
  const { certsDir } = config.haproxy;
  const copies = await replacedCopies(certsDir);
  if (copies.length === 0 || haproxy === undefined) return;
  const loaded = new Set([...haproxy.strangers.keys()].map((filename) => basename(filename)));
  const stolen = stolenAt(manifest);
  const before = copyEnds.get(certsDir);
  const ends = new Map<string, CopyEnd>();
  copyEnds.set(certsDir, ends);
  for (const [index, copy] of copies.entries()) {
    if (index % AT_A_STRETCH === 0) await setImmediate();
    const adopted = records.get(copy.file)?.adopted?.startsWith(copy.digest);
    if (adopted || loaded.has(copy.name) || ownership.otherOwnerOf(copy.file) !== undefined) continue;
    const path = join(certsDir, copy.name);
    const end = endOf(path, copy.keptAt, before?.get(path));
    ends.set(path, end);
    const reason = reasonToDelete({ ...copy, notAfter: end.notAfter }, { manifest, stolen, now: now() });
    if (reason === undefined) continue;
    const fields = { file: copy.file, kept: copy.name, reason };
    try {
      await unlink(path);
      log('copy.deleted', fields);
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') log('copy.failed', { ...fields, message: `it cannot be deleted (${code})` });
    }
  }
}

interface Facts {
  manifest: Manifest;
  /** By file. */
  stolen: ReadonlyMap<string, string>;
  now: Date;
}

function endOf(path: string, keptAt: Date, known: CopyEnd | undefined): CopyEnd {
  return known?.keptAt.getTime() === keptAt.getTime() ? known : { keptAt, notAfter: notAfterAt(path) };
}

function notAfterAt(path: string): Date | undefined {
  try {
    return leafEndIn(readPlainFile(path).toString());
  } catch (error) {
    // Whatever the disk says: nothing else of the pass needs it.
    const isOfDisk = (error as NodeJS.ErrnoException).syscall !== undefined;
    if (isOfDisk || error instanceof TypeError) return undefined;
    throw error;
  }
}

interface CopyFacts extends Pick<ReplacedCopy, 'file' | 'keptAt'> {
  notAfter: Date | undefined;
}

/** An issuer that does not say how long (version 1, and earlier ones of version 2) has ordered nothing. @returns undefined: it stays */
export function reasonToDelete(
  { file, keptAt, notAfter }: CopyFacts,
  { manifest, stolen, now }: Facts,
): string | undefined {
  const at = stolen.get(file);
  if (at !== undefined && keptAt.getTime() < Date.parse(at)) return 'its key is stolen';
  if (notAfter !== undefined && hasPassed(notAfter, manifest, now)) return 'its certificate has expired';
  const days = manifest.keyRetentionDays;
  if (days === undefined) return undefined;
  const end = new Date(keptAt.getTime() + days * DAY_MS);
  return hasPassed(end, manifest, now) ? `kept for ${days} days` : undefined;
}

/** When the issuer last said that somebody has the keys of a file, by its name. */
export function stolenAt({ tombstones = {} }: Pick<Manifest, 'tombstones'>): Map<string, string> {
  return new Map(
    Object.entries<Tombstone>(tombstones).flatMap(([name, { stolenAt: at }]) =>
      at === undefined ? [] : possibleFileNames(name as CertificateName).map((file) => [file, at]),
    ),
  );
}
