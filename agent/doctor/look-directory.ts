/** Reads HAProxy's directory as HAProxy would at its next start, and changes nothing. */
import { constants, type Stats } from 'node:fs';
import { access, lstat, readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '#contract/errors.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { AgentConfig } from '../config/config.ts';
import { MAX_READ_BYTES } from '../deploy/disk.ts';
import { type PemFacts, pemFactsOf } from '../deploy/pem-facts.ts';
import { type CertificateStatus, parseCertificate } from '../haproxy/answers.ts';
import { toHaproxy, toHost } from '../haproxy/path-map.ts';
import type { RuntimeSocket } from '../haproxy/socket.ts';
import { nameFinder } from '../haproxy/view.ts';
import type { CrtListFacts } from './look-crt-list.ts';
import type { HaproxyFacts } from './look-haproxy.ts';

export interface DirectoryEntry {
  name: string;
  mode: number;
  /** Or something else that is no file, which HAProxy skips, too. */
  isDirectory: boolean;
  /** Set for a file that HAProxy reads as a certificate. */
  facts: PemFacts | undefined;
  /** HAProxy reads it at its start: any file of a `crt` directory, else one that a crt-list or a bind names. */
  isRead: boolean;
  /** Error code if it cannot be read: a dangling link, another user's file. */
  code: string | undefined;
}

export interface DirectoryFacts {
  path: string;
  /** Error code if it cannot be listed. */
  code: string | undefined;
  isWritable: boolean;
  mode: number;
  /** Names of the files that the agent has written. */
  ours?: ReadonlySet<string>;
  /** All but dot-files, which HAProxy skips. */
  entries: readonly DirectoryEntry[];
  /** HAProxy's names for this directory, or for the crt-list file, byte for byte. */
  crtLists: readonly string[];
  /** Absolute names in HAProxy that do not exist on this host. */
  otherRoots: readonly string[];
  /** HAProxy's binds name files of it one by one (`crt FILE`). */
  isNamedFileByFile: boolean;
  /** Serial number that HAProxy shows for each of these files. */
  serials: ReadonlyMap<string, string>;
  /** Files that HAProxy shows as `Unused`. */
  unused: readonly string[];
}

/** `X.pem.ocsp` and the like belong to `X.pem`. */
const SIDE_FILE = /^(.+)\.(key|ocsp|issuer|sctl)$/;

export const sideFileOwner = (name: string): string | undefined => SIDE_FILE.exec(name)?.[1];

export async function lookAtDirectory(
  settings: AgentConfig['haproxy'],
  { crtLists: names, filenames }: Pick<HaproxyFacts, 'crtLists' | 'filenames'>,
  crtList: CrtListFacts | undefined,
  ask: RuntimeSocket,
): Promise<DirectoryFacts> {
  const { certsDir: path, paths } = settings;
  const unread = {
    path,
    isWritable: false,
    mode: 0,
    entries: [],
    serials: new Map<string, string>(),
    unused: [],
  };
  const compared = await compareNames(settings, names);
  const [loadedName] = compared.crtLists;
  const isDirectory = loadedName !== undefined && crtList === undefined;
  const nameOf = nameFinder(
    isDirectory ? loadedName : toHaproxy(path, paths),
    isDirectory ? [] : [...filenames],
  );
  const isNamed = (name: string) => crtList?.tails.has(name) ?? filenames.has(nameOf(name));
  try {
    const { mode } = await stat(path);
    const visible = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
    const isNamedFileByFile = loadedName === undefined && crtList === undefined && visible.some(isNamed);
    const isRead = (name: string) => !(crtList || isNamedFileByFile) || isNamed(sideFileOwner(name) ?? name);
    const entries: DirectoryEntry[] = [];
    for (const name of visible) entries.push(await lookAtEntry(path, name, isRead(name)));
    const isWritable = await access(path, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    );
    const shown = await shownOf(entries, nameOf, ask);
    const serials = new Map([...shown].map(([name, { serial }]) => [name, serial]));
    const unused = [...shown].filter(([, { status }]) => status === 'Unused').map(([name]) => name);
    const shared = { ...compared, code: undefined, isNamedFileByFile };
    return { ...unread, ...shared, isWritable, mode: mode & 0o7777, entries, serials, unused };
  } catch (error) {
    return { ...unread, ...compared, isNamedFileByFile: false, code: codeOf(error) };
  }
}

async function lookAtEntry(directory: string, name: string, isRead: boolean): Promise<DirectoryEntry> {
  const path = join(directory, name);
  const stats: Stats = await stat(path).catch(() => lstat(path));
  // A pipe or a socket: HAProxy skips it as it skips a directory, and reading it may never end.
  const isDirectory = !stats.isFile() && !stats.isSymbolicLink();
  const entry = { name, mode: stats.mode & 0o777, isDirectory, isRead, facts: undefined, code: undefined };
  if (isDirectory || sideFileOwner(name) !== undefined) return entry;
  try {
    const text = await readText(path);
    const keyText = await readText(`${path}.key`).catch(() => '');
    return { ...entry, facts: pemFactsOf(text, keyText) };
  } catch (error) {
    return { ...entry, code: codeOf(error) };
  }
}

/** Anything may lie there: a FIFO must not hang the doctor. */
async function readText(path: string): Promise<string> {
  return (await readRegularFile(path, MAX_READ_BYTES)).toString('utf8');
}

async function compareNames(
  { certsDir, crtListFile, paths }: AgentConfig['haproxy'],
  names: readonly string[],
): Promise<Pick<DirectoryFacts, 'crtLists' | 'otherRoots'>> {
  const realPathOf = (path: string | undefined) =>
    path === undefined ? undefined : realpath(path).catch(() => undefined);
  const wanted = await realPathOf(crtListFile ?? certsDir);
  const absolute = names.filter((name) => name.startsWith('/'));
  const real = await Promise.all(absolute.map((name) => realPathOf(toHost(name, paths))));
  return {
    crtLists: absolute.filter((_, index) => wanted !== undefined && real[index] === wanted),
    otherRoots: absolute.filter((_, index) => real[index] === undefined),
  };
}

/** One command per file; HAProxy answers some ten thousand per second. */
async function shownOf(
  entries: readonly DirectoryEntry[],
  nameOf: (file: string) => string,
  ask: RuntimeSocket,
): Promise<Map<string, CertificateStatus>> {
  const shown = new Map<string, CertificateStatus>();
  for (const { name, facts, isRead } of entries) {
    if (!isRead || facts === undefined || facts.problem !== undefined) continue;
    const command = { verb: 'show ssl cert', operands: [nameOf(name)], mayBeCut: true };
    const answer = await ask(command).catch(() => undefined);
    const certificate = parseCertificate(answer?.text ?? '');
    if (certificate !== undefined) shown.set(name, certificate);
  }
  return shown;
}
