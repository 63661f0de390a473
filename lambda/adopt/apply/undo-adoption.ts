/** `pemfleet adopt --undo`: files, owners, directories and units as they were. What was renewed since is served on. */
import { X509Certificate } from 'node:crypto';
import { existsSync, lstatSync, rmdirSync } from 'node:fs';
import { chmod, chown, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '#storage/atomic-file.ts';
import { type FileAttributes, readState } from '../../init/apply/file-change.ts';
import type { RecordedAdoption } from '../../init/apply/record.ts';
import { runToEnd } from '../../init/apply/run-to-end.ts';
import { bareSerial } from '../../replacement/covered.ts';
import { pathsBelow } from './entries.ts';
import { linkTempOf, replaceLink } from './replace-link.ts';

type RecordedPem = RecordedAdoption['pems'][number];

export interface AdoptionUndone {
  /** Files that stay as they are now: their certificates are newer than what was adopted. */
  renewed: string[];
  /** Directories that stay: what was renewed has its keys and its account there. */
  kept: string[];
  /** Units whose state could not be put back, with systemctl's words. */
  failed: string[];
}

const UNIT_TIMEOUT_MS = 60_000;

/** @param directory of the record */
export async function undoAdoption(directory: string, adoption: RecordedAdoption): Promise<AdoptionUndone> {
  const undone: AdoptionUndone = { renewed: [], kept: [], failed: [] };
  // Nobody writes into what goes.
  for (const unit of [...adoption.units].reverse()) undone.failed.push(...(await turnBack(unit)));
  for (const pem of adoption.pems) {
    const newer = await renewedSince(pem);
    if (newer !== undefined) undone.renewed.push(pem.path);
    await restorePem(directory, pem, newer);
  }
  for (const { path, mode, uid, gid } of adoption.attributes) {
    if (!existsSync(path)) continue;
    await chown(path, uid, gid);
    await chmod(path, mode);
  }
  for (const tree of adoption.trees) {
    if (undone.renewed.length > 0 && tree.only === undefined) undone.kept.push(tree.path);
    else await clearTree(tree);
  }
  return undone;
}

/** @returns what is wrong */
async function turnBack({ unit, verb }: RecordedAdoption['units'][number]): Promise<string[]> {
  const opposite = verb === 'enable' ? 'disable' : 'enable';
  const { isWell, output } = await runToEnd(['systemctl', opposite, '--now', unit], {
    timeoutMs: UNIT_TIMEOUT_MS,
  });
  return isWell ? [] : [`systemctl ${opposite} --now ${unit}: ${output}`];
}

/** @returns its content, where it is a certificate that came after the adopted one */
async function renewedSince({ path, serial }: RecordedPem): Promise<Buffer | undefined> {
  const body = (await readState(path))?.body;
  const [pem] =
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(body?.toString() ?? '') ?? [];
  try {
    if (pem === undefined) return undefined;
    return bareSerial(new X509Certificate(pem).serialNumber) === bareSerial(serial) ? undefined : body;
  } catch {
    return undefined;
  }
}

async function restorePem(directory: string, pem: RecordedPem, newer: Buffer | undefined): Promise<void> {
  const { path, copy, link, mode, uid, gid } = pem;
  await rm(linkTempOf(path), { force: true });
  if (newer !== undefined) {
    const isAsBefore = link === undefined && copy !== undefined;
    await replaceFile(path, newer, isAsBefore ? { mode, uid, gid } : await readableAsNow(path));
  } else if (link !== undefined) await replaceLink(path, link, { uid, gid });
  else if (copy === undefined) await rm(path, { force: true });
  else {
    const body = (await readState(join(directory, copy)))?.body;
    if (body === undefined) throw new Error(`${directory}/${copy} is gone: the copy of ${path} from before`);
    await replaceFile(path, body, { mode, uid, gid });
  }
}

/** There was no file of its own: a HAProxy that never is root reads this one by its group, and does so after the next reload, too. */
async function readableAsNow(path: string): Promise<FileAttributes> {
  const { mode = 0o600, gid = 0 } = (await readState(path)) ?? {};
  return { mode, uid: process.getuid?.() ?? 0, gid };
}

/** What was there stays, and directories that still hold something. */
async function clearTree({ path, entries, only, isNew }: RecordedAdoption['trees'][number]): Promise<void> {
  if (!existsSync(path)) return;
  const before = new Set(entries);
  const come = pathsBelow(path).filter(
    (name) => !before.has(name) && (only === undefined || name.startsWith(only)),
  );
  // The deepest first.
  for (const name of come.sort().reverse()) {
    const entry = join(path, name);
    const stats = lstatSync(entry, { throwIfNoEntry: false });
    if (stats?.isDirectory()) rmdirSync(entry);
    else await rm(entry, { force: true });
  }
  if (isNew) rmdirSync(path);
}
