/** What is in HAProxy's directory, and what HAProxy would make of it at its next start. Nothing is changed. */
import { constants, type Stats } from 'node:fs';
import { access, lstat, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '#contract/errors.ts';
import type { AgentConfig } from '../config/config.ts';
import { type PemFacts, pemFactsOf } from '../deploy/pem-facts.ts';
import { parseCertificate } from '../haproxy/answers.ts';
import { toHaproxy, toHost } from '../haproxy/path-map.ts';
import type { RuntimeSocket } from '../haproxy/socket.ts';
import { nameFinder } from '../haproxy/view.ts';
import type { SeenCrtList } from './look-crt-list.ts';
import type { SeenHaproxy } from './look-haproxy.ts';

export interface SeenEntry {
  name: string;
  mode: number;
  isDirectory: boolean;
  /** Of a file that HAProxy reads as a certificate. */
  facts: PemFacts | undefined;
  /** HAProxy reads it at its start: all of a directory, else what a crt-list or the configuration names. */
  isRead: boolean;
  /** Why it could not be read: a dangling link, another user's file. */
  code: string | undefined;
  bytes: number;
}

export interface SeenDirectory {
  path: string;
  /** Why it cannot be listed, or written. */
  code: string | undefined;
  isWritable: boolean;
  mode: number;
  /** Without dot-files, which HAProxy skips. */
  entries: readonly SeenEntry[];
  /** HAProxy's names of this directory, or of the crt-list file, byte for byte. */
  crtLists: readonly string[];
  /** Absolute names of HAProxy that this host does not have. */
  otherRoots: readonly string[];
  /** The configuration names files of it one by one (`crt FILE`). */
  isByFile: boolean;
  /** What HAProxy shows of each of these files. */
  serials: ReadonlyMap<string, string>;
}

/** `X.pem.ocsp` and the like belong to `X.pem`. */
const SIDE_FILE = /^(.+)\.(key|ocsp|issuer|sctl)$/;

export const sideFileOwner = (name: string): string | undefined => SIDE_FILE.exec(name)?.[1];

export async function lookAtDirectory(
  settings: AgentConfig['haproxy'],
  { crtLists: names, filenames }: Pick<SeenHaproxy, 'crtLists' | 'filenames'>,
  crtList: SeenCrtList | undefined,
  ask: RuntimeSocket,
): Promise<SeenDirectory> {
  const { certsDir: path, paths } = settings;
  const nothing = { path, isWritable: false, mode: 0, entries: [], serials: new Map<string, string>() };
  const compared = await compareNames(settings, names);
  const [known] = compared.crtLists;
  const isDirectory = known !== undefined && crtList === undefined;
  const nameOf = nameFinder(isDirectory ? known : toHaproxy(path, paths), isDirectory ? [] : [...filenames]);
  const isNamed = (name: string) => crtList?.tails.has(name) ?? filenames.has(nameOf(name));
  try {
    const { mode } = await stat(path);
    const visible = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
    const isByFile = known === undefined && crtList === undefined && visible.some(isNamed);
    const isRead = (name: string) => !(crtList || isByFile) || isNamed(sideFileOwner(name) ?? name);
    const entries: SeenEntry[] = [];
    for (const name of visible) entries.push(await lookAtEntry(path, name, isRead(name)));
    const isWritable = await access(path, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    );
    const serials = await serialsOf(entries, nameOf, ask);
    const shared = { ...compared, code: undefined, isByFile };
    return { ...nothing, ...shared, isWritable, mode: mode & 0o7777, entries, serials };
  } catch (error) {
    return { ...nothing, ...compared, isByFile: false, code: codeOf(error) };
  }
}

async function lookAtEntry(directory: string, name: string, isRead: boolean): Promise<SeenEntry> {
  const path = join(directory, name);
  const stats: Stats = await stat(path).catch(() => lstat(path));
  const kind = { isDirectory: stats.isDirectory(), isRead };
  const seen = { name, ...kind, mode: stats.mode & 0o777, bytes: stats.size };
  if (seen.isDirectory || sideFileOwner(name) !== undefined)
    return { ...seen, facts: undefined, code: undefined };
  try {
    const text = await readFile(path, 'utf8');
    const keyText = await readFile(`${path}.key`, 'utf8').catch(() => '');
    return { ...seen, facts: pemFactsOf(text, keyText), code: undefined };
  } catch (error) {
    return { ...seen, facts: undefined, code: codeOf(error) };
  }
}

async function compareNames(
  { certsDir, crtListFile, paths }: AgentConfig['haproxy'],
  names: readonly string[],
): Promise<Pick<SeenDirectory, 'crtLists' | 'otherRoots'>> {
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

/** One question a file; HAProxy answers some ten thousand a second. */
async function serialsOf(
  entries: readonly SeenEntry[],
  nameOf: (file: string) => string,
  ask: RuntimeSocket,
): Promise<Map<string, string>> {
  const serials = new Map<string, string>();
  for (const { name, facts, isRead } of entries) {
    if (!isRead || facts === undefined || facts.problem !== undefined) continue;
    const command = { verb: 'show ssl cert', operands: [nameOf(name)], mayBeCut: true };
    const answer = await ask(command).catch(() => undefined);
    const certificate = parseCertificate(answer?.text ?? '');
    if (certificate !== undefined) serials.set(name, certificate.serial);
  }
  return serials;
}
