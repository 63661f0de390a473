/** `pemfleet adopt --undo`: files, owners, directories and units as they were. What was renewed since is served on. */
import { X509Certificate } from 'node:crypto';
import { existsSync, lstatSync, rmdirSync, statSync } from 'node:fs';
import { chmod, chown, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { replaceFile } from '#storage/atomic-file.ts';
import { type FileAttributes, readState, sha256Of, sweepTempsOf } from '../../init/apply/file-change.ts';
import type { RecordedAdoption } from '../../init/apply/record.ts';
import { runToEnd } from '../../init/apply/run-to-end.ts';
import { bareSerial } from '../../replacement/covered.ts';
import { pathsBelow } from './entries.ts';
import { linkTempOf, replaceLink } from './replace-link.ts';

type RecordedPem = RecordedAdoption['pems'][number];

export interface AdoptionUndone {
  /** Files that stay as they are now: their certificates are newer than what was adopted. */
  renewed: string[];
  /** What is not given back, and why. */
  withheld: Withheld[];
  /** Files that keep the form that adopt gave them: the agent has deleted the copies of them. */
  reshaped: string[];
  /** Directories that stay: what was renewed has its keys and its account there. */
  kept: string[];
  /** Files that came beside those that were adopted: HAProxy loads them, and nobody renews them any more. */
  left: string[];
  /** Units whose state could not be put back, with systemctl's words. */
  failed: string[];
}

export interface Withheld {
  file: string;
  why: string;
  /** It is still there as it was: HAProxy may not start without it. */
  isThere: boolean;
  /** Where a link led before: a file of another program, which has the certificate with its key still. */
  keyAt?: string;
}

export const nothingUndone = (): AdoptionUndone => ({
  ...{ renewed: [], withheld: [], reshaped: [] },
  ...{ kept: [], left: [], failed: [] },
});

const UNIT_TIMEOUT_MS = 60_000;

/** What has become of it since. */
export interface SinceAdoption {
  /** By path: why it is not given back. */
  ended?: ReadonlyMap<string, string> | undefined;
  /** The bucket holds more than adopt has put there. */
  isUsed?: boolean | undefined;
}

export async function undoAdoption(
  adoption: RecordedAdoption,
  { ended = new Map(), isUsed = false }: SinceAdoption = {},
): Promise<AdoptionUndone> {
  const undone = nothingUndone();
  // Nobody writes into what goes.
  for (const unit of [...adoption.units].reverse()) undone.failed.push(...(await turnBack(unit)));
  for (const pem of adoption.pems) await undoPem(pem, ended.get(pem.path), undone);
  await sweepTempsOf(adoption.pems.map(({ path }) => path));
  for (const { path, mode, uid, gid } of adoption.attributes) {
    if (!existsSync(path)) continue;
    await chown(path, uid, gid);
    await chmod(path, mode);
  }
  for (const tree of adoption.trees) {
    // What was renewed has its account there, and what is withheld the word why.
    const isNeeded = isUsed || undone.renewed.length + undone.withheld.length > 0;
    if (isNeeded && tree.only === undefined) undone.kept.push(tree.path);
    else await clearTree(tree);
    if (tree.only !== undefined) undone.left.push(...leftIn(tree, adoption));
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

async function undoPem(pem: RecordedPem, end: string | undefined, undone: AdoptionUndone): Promise<void> {
  const { path, before, link, mode, uid, gid } = pem;
  await rm(linkTempOf(path), { force: true });
  const there = await certificateAt(pem);
  const content = await contentBefore(pem);
  if (there?.isNewer) {
    undone.renewed.push(path);
    await stay(pem, there.body);
  } else if (end !== undefined) await withhold(pem, end, { there, undone });
  else if (link !== undefined) await replaceLink(path, link, { uid, gid });
  else if (before === undefined) await rm(path, { force: true });
  else if (content !== undefined) await replaceFile(path, content, { mode, uid, gid });
  else if (there === undefined) await withhold(pem, COPY_GONE, { there, undone });
  else {
    undone.reshaped.push(path);
    await stay(pem, there.body);
  }
  if (before !== undefined) await rm(before.copy, { force: true });
}

const COPY_GONE = 'the agent has deleted the copy of it: it was too old, had expired, or its key is stolen';

/** What HAProxy loads there now; `isNewer`: it came after what was adopted. */
interface CertificateThere {
  body: Buffer;
  isNewer: boolean;
}

/** @returns undefined: no certificate is there; what else is there is not touched by content */
async function certificateAt({
  path,
  serial,
}: Pick<RecordedPem, 'path' | 'serial'>): Promise<CertificateThere | undefined> {
  const body = (await readState(path))?.body;
  const [pem] =
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(body?.toString() ?? '') ?? [];
  try {
    if (pem === undefined || body === undefined) return undefined;
    return { body, isNewer: bareSerial(new X509Certificate(pem).serialNumber) !== bareSerial(serial) };
  } catch {
    return undefined;
  }
}

/** As it was: the agent may have deleted the copy, and somebody else may have written into it. */
async function contentBefore({ path, before }: RecordedPem): Promise<Buffer | undefined> {
  if (before === undefined) return undefined;
  for (const file of [before.copy, path]) {
    const body = (await readState(file))?.body;
    if (sha256Of(body) === before.sha256) return body;
  }
  return undefined;
}

/** Whether HAProxy can do without it is the agent's to judge, and the operator's: what is there stays. */
async function withhold(
  pem: RecordedPem,
  why: string,
  { there, undone }: { there: CertificateThere | undefined; undone: AdoptionUndone },
): Promise<void> {
  const { path } = pem;
  undone.withheld.push({ file: path, why, isThere: there !== undefined, ...(await keyBehind(pem)) });
  if (there !== undefined) await stay(pem, there.body);
  // It leads to where the agent's files go.
  else if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) await rm(path, { force: true });
}

/** Nobody deletes what is another program's; whoever knows that the key is stolen wants to know where it lies. */
export async function keyBehind({ path, link, serial }: RecordedPem): Promise<Pick<Withheld, 'keyAt'>> {
  const target = link === undefined ? path : resolve(dirname(path), link);
  if (target === path || !statSync(target, { throwIfNoEntry: false })?.isFile()) return {};
  const there = await certificateAt({ path: target, serial });
  return there !== undefined && !there.isNewer && there.body.includes('PRIVATE KEY-----')
    ? { keyAt: target }
    : {};
}

async function stay({ path, before, mode, uid, gid }: RecordedPem, body: Buffer): Promise<void> {
  await replaceFile(path, body, before === undefined ? await readableAsNow(path) : { mode, uid, gid });
}

/** There was no file of its own: a HAProxy that never is root reads this one by its group, and does so after the next reload, too. */
async function readableAsNow(path: string): Promise<FileAttributes> {
  const { mode = 0o600, gid = 0 } = (await readState(path)) ?? {};
  return { mode, uid: process.getuid?.() ?? 0, gid };
}

/** Certificates that the agent has written since, in a directory that was HAProxy's before. */
function leftIn({ path, entries }: RecordedAdoption['trees'][number], { pems }: RecordedAdoption): string[] {
  const known = new Set([...entries.map((name) => join(path, name)), ...pems.map((pem) => pem.path)]);
  const there = existsSync(path) ? pathsBelow(path).map((name) => join(path, name)) : [];
  return there.filter((file) => file.endsWith('.pem') && !known.has(file));
}

/** What was there stays, and directories that still hold something. */
async function clearTree({ path, entries, only, isNew }: RecordedAdoption['trees'][number]): Promise<void> {
  if (!existsSync(path)) return;
  const before = new Set(entries);
  const come = pathsBelow(path).filter(
    (name) => !before.has(name) && (only === undefined || (name.startsWith('.') && name.includes(only))),
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
