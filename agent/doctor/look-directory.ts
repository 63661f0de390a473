/** What is in HAProxy's directory, and what HAProxy would make of it at its next start. Nothing is changed. */
import { constants, type Stats } from 'node:fs';
import { access, lstat, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '#contract/errors.ts';
import { parseCertificate } from '../haproxy/answers.ts';
import type { RuntimeSocket } from '../haproxy/socket.ts';
import { type PemFacts, pemFactsOf } from '../pem-facts.ts';

export interface SeenEntry {
  name: string;
  mode: number;
  isDirectory: boolean;
  /** Of a file that HAProxy reads as a certificate. */
  facts: PemFacts | undefined;
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
  /** HAProxy's names of this directory, byte for byte. */
  crtLists: readonly string[];
  /** Absolute names of HAProxy that this host does not have. */
  otherRoots: readonly string[];
  /** What HAProxy shows of each of these files, by its name of it. */
  serials: ReadonlyMap<string, string>;
}

/** `X.pem.ocsp` and the like belong to `X.pem`. */
const SIDE_FILE = /^(.+)\.(key|ocsp|issuer|sctl)$/;

export const sideFileOwner = (name: string): string | undefined => SIDE_FILE.exec(name)?.[1];

export async function lookAtDirectory(
  path: string,
  names: readonly string[],
  ask: RuntimeSocket,
): Promise<SeenDirectory> {
  const nothing = { path, isWritable: false, mode: 0, entries: [], serials: new Map<string, string>() };
  const shared = { code: undefined, ...(await compareNames(path, names)) };
  try {
    const { mode } = await stat(path);
    const visible = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
    const entries: SeenEntry[] = [];
    for (const name of visible) entries.push(await lookAtEntry(path, name));
    const isWritable = await access(path, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    );
    const serials = await serialsOf(shared.crtLists, entries, ask);
    return { ...nothing, ...shared, isWritable, mode: mode & 0o7777, entries, serials };
  } catch (error) {
    return { ...nothing, ...shared, code: codeOf(error) };
  }
}

async function lookAtEntry(directory: string, name: string): Promise<SeenEntry> {
  const path = join(directory, name);
  const stats: Stats = await stat(path).catch(() => lstat(path));
  const seen = { name, mode: stats.mode & 0o777, isDirectory: stats.isDirectory(), bytes: stats.size };
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

async function compareNames(path: string, names: readonly string[]) {
  const wanted = await realpath(path).catch(() => undefined);
  const absolute = names.filter((name) => name.startsWith('/'));
  const real = await Promise.all(absolute.map((name) => realpath(name).catch(() => undefined)));
  return {
    crtLists: absolute.filter((_, index) => wanted !== undefined && real[index] === wanted),
    otherRoots: absolute.filter((_, index) => real[index] === undefined),
  };
}

/** One question a file and name; HAProxy answers some ten thousand a second. */
async function serialsOf(
  crtLists: readonly string[],
  entries: readonly SeenEntry[],
  ask: RuntimeSocket,
): Promise<Map<string, string>> {
  const serials = new Map<string, string>();
  const files = entries.filter(({ facts }) => facts !== undefined && facts.problem === undefined);
  for (const filename of crtLists.flatMap((list) => files.map(({ name }) => `${list}/${name}`))) {
    const answer = await ask({ verb: 'show ssl cert', operands: [filename] }).catch(() => undefined);
    const certificate = parseCertificate(answer?.text ?? '');
    if (certificate !== undefined) serials.set(filename, certificate.serial);
  }
  return serials;
}
