/**
 * What HAProxy holds of our files. Names are strings to HAProxy: `/d` and `/w/../d` are two copies of one
 * directory, and an update of one leaves the other old. So a file is loaded under each name of our directory.
 */
import { realpath } from 'node:fs/promises';
import { posix } from 'node:path';
import { RuntimeCommandFailed } from '../errors.ts';
import type { CertificateStatus, CrtListEntry, ProcessState } from './answers.ts';
import { type Capabilities, capabilitiesOf } from './capabilities.ts';
import { isSameTail } from './crt-list-line.ts';
import { type PathMap, toHaproxy, toHost } from './path-map.ts';
import type { Runtime } from './runtime.ts';
import { isAtLeast } from './version.ts';

/** A file under one of its names in HAProxy, loaded or not. */
export interface RuntimeFile {
  filename: string;
  /** The crt-list to which a new file is added; undefined where the configuration names the file itself (`crt FILE`). */
  crtList: string | undefined;
  isListed: boolean;
  certificate: CertificateStatus | undefined;
  /** For a crt-list file: HAProxy's entries for it, and the tails that these are to have. */
  entries?: readonly CrtListEntry[];
  tails?: readonly string[];
  /** The alias of a crt-store (`@store/alias`, since 3.0), where HAProxy has one and none of its crt-lists is ours. */
  alias?: string;
  /** HAProxy's own `acme` section that issues this certificate, too. */
  acmeSection?: string | undefined;
}

export interface HaproxyView {
  process: ProcessState;
  capabilities: Capabilities;
  /** By the file's name in the directory. */
  files: Map<string, RuntimeFile[]>;
  /** Files of others that HAProxy has: those of the same crt-lists first. */
  strangers: Strangers;
}

/** By filename, with their lines. */
export type Strangers = ReadonlyMap<string, readonly CrtListEntry[]>;

interface ViewOptions {
  certsDir: string;
  crtListFile?: string | undefined;
  /** HAProxy's name of the directory (or crt-list file), where paths differ. */
  crtList?: string | undefined;
  paths?: PathMap | undefined;
  bufsize: number;
}

interface CrtList {
  name: string;
  isFile: boolean;
  entries: ReadonlyMap<string, readonly CrtListEntry[]>;
}

/** @param files with the tails that they are to have in a crt-list file */
export async function viewHaproxy(
  runtime: Runtime,
  options: ViewOptions,
  files: ReadonlyMap<string, readonly string[]>,
): Promise<HaproxyView> {
  const process = await runtime.showInfo();
  const shown = await viewAll(runtime, options, files, true);
  const acme = isAtLeast(process.version, 3, 2) ? await runtime.showAcme() : undefined;
  const withSection = (one: RuntimeFile) => ({ ...one, acmeSection: acme?.get(one.filename) });
  return {
    process,
    capabilities: capabilitiesOf(process.version, options.bufsize),
    files: new Map([...shown.files].map(([file, named]) => [file, named.map(withSection)])),
    strangers: shown.strangers,
  };
}

/** @returns by the file's name in the directory */
export async function viewFiles(
  runtime: Runtime,
  options: ViewOptions,
  files: ReadonlyMap<string, readonly string[]>,
): Promise<Map<string, RuntimeFile[]>> {
  return (await viewAll(runtime, options, files)).files;
}

/** @param files all of ours: those of others are the rest */
async function viewAll(
  runtime: Runtime,
  options: ViewOptions,
  files: ReadonlyMap<string, readonly string[]>,
  isWithStrangers = false,
): Promise<Pick<HaproxyView, 'files' | 'strangers'>> {
  const { lists, others } = await findCrtLists(runtime, options);
  const inDirectory = options.crtListFile === undefined ? options.crtList : undefined;
  const certsDir = toHaproxy(options.certsDir, options.paths);
  const inFile = nameFinder(certsDir, namesIn(lists));
  const names = lists.length > 0 && !isWithStrangers ? [] : await runtime.showCertificateNames();
  const alone = nameFinder(inDirectory ?? certsDir, names);
  const alias = names.find((name) => name.startsWith('@'));
  const runtimeFiles = new Map<string, Omit<RuntimeFile, 'certificate'>[]>();
  for (const [file, tails] of files) {
    const inLists = lists.map(({ name: crtList, isFile, entries: all }) => {
      const filename = isFile ? inFile(file) : filenameIn(crtList, file);
      const entries = all.get(filename) ?? [];
      return { filename, crtList, isListed: entries.length > 0, ...(isFile && { entries, tails }) };
    });
    const single = { filename: alone(file), crtList: undefined, isListed: true, ...(alias && { alias }) };
    runtimeFiles.set(file, inLists.length > 0 ? inLists : [single]);
  }
  const filenames = new Set([...runtimeFiles.values()].flat().map(({ filename }) => filename));
  const certificates = await runtime.showCertificates([...filenames]);
  const withCertificate = (runtimeFile: Omit<RuntimeFile, 'certificate'>) => ({
    ...runtimeFile,
    certificate: certificates.get(runtimeFile.filename),
  });
  return {
    files: new Map([...runtimeFiles].map(([file, named]) => [file, named.map(withCertificate)])),
    strangers: isWithStrangers ? await strangersIn(runtime, { lists, others, names }, filenames) : new Map(),
  };
}

/**
 * A bind may read them from another directory or crt-list than ours, or as single files (crt FILE): which bind, HAProxy does not say. On
 * another bind they take no name from ours.
 */
async function strangersIn(
  runtime: Runtime,
  {
    lists,
    others,
    names,
  }: { lists: readonly CrtList[]; others: readonly string[]; names: readonly string[] },
  ours: ReadonlySet<string>,
): Promise<Strangers> {
  const strangers = new Map<string, CrtListEntry[]>();
  const known = new Set([...ours].map((name) => posix.normalize(name)));
  const add = (filename: string, entries: readonly CrtListEntry[]) => {
    if (known.has(posix.normalize(filename))) return;
    strangers.set(filename, [...(strangers.get(filename) ?? []), ...entries]);
  };
  for (const { entries } of lists) for (const [filename, lines] of entries) add(filename, lines);
  for (const other of others.slice(0, MAX_OTHER_LISTS)) {
    for (const [filename, lines] of await runtime.showCrtList(other)) add(filename, lines);
  }
  for (const name of names) if (!strangers.has(name)) add(name, []);
  return strangers;
}

/** Of the files of further ones only the names in the certificates count. */
const MAX_OTHER_LISTS = 20;

/** Why a new one cannot be added, and what to do. */
export function reasonNotToAdd({ alias }: RuntimeFile): string {
  return alias === undefined
    ? 'no crt-list to add it to: name it on a bind (crt FILE) or its directory (crt DIR), then reload'
    : `HAProxy loads from a crt-store (${alias}), whose aliases the agent leaves alone: reload it, or give the bind a directory (crt DIR) or a crt-list`;
}

/** Whether HAProxy's entries of a crt-list file differ from what they are to be. */
export function isListedOtherwise({ entries, tails }: RuntimeFile): boolean {
  if (entries === undefined || tails === undefined) return false;
  return missingTails(entries, tails).length > 0 || surplusEntries(entries, tails).length > 0;
}

export function missingTails(entries: readonly CrtListEntry[], tails: readonly string[]): string[] {
  return tails.filter((tail) => !entries.some((entry) => isSameTail(entry.tail, tail)));
}

/** The first of equal entries stays. */
export function surplusEntries(entries: readonly CrtListEntry[], tails: readonly string[]): CrtListEntry[] {
  const kept = tails.map((tail) => entries.find((entry) => isSameTail(entry.tail, tail)));
  return entries.filter((entry) => !kept.includes(entry));
}

async function findCrtLists(
  runtime: Runtime,
  options: ViewOptions,
): Promise<{ lists: CrtList[]; others: string[] }> {
  const { certsDir, crtListFile, crtList, paths } = options;
  const desired = await Promise.all([certsDir, crtListFile].map((path) => path && realPathOf(path)));
  const [lists, others]: [CrtList[], string[]] = [[], []];
  for (const name of await runtime.showCrtLists()) {
    const path = await realPathOf(toHost(name, paths));
    const isNamed = name === crtList;
    const isFile = isNamed ? crtListFile !== undefined : path !== undefined && path === desired[1];
    const isDirectory = crtList === undefined && path !== undefined && path === desired[0];
    if (isNamed || isFile || isDirectory) {
      lists.push({ name, isFile, entries: await runtime.showCrtList(name) });
    } else {
      others.push(name);
    }
  }
  return { lists, others };
}

/** @returns undefined for a name under another root (chroot, container) or a relative one (crt-base): it cannot be compared */
async function realPathOf(name: string | undefined): Promise<string | undefined> {
  return name?.startsWith('/') ? realpath(name).catch(() => undefined) : undefined;
}

function namesIn(lists: readonly CrtList[]): string[] {
  return lists.flatMap(({ isFile, entries }) => (isFile ? [...entries.keys()] : []));
}

/** A crt-list file or a bind may spell our names in its own way (`/d/./a.pem`): then HAProxy's name is that spelling. */
export function nameFinder(certsDir: string, filenames: readonly string[]): (file: string) => string {
  const names = new Map(filenames.map((name) => [posix.normalize(name), name]));
  return (file) => names.get(posix.normalize(`${certsDir}/${file}`)) ?? filenameIn(certsDir, file);
}

/** Joins them byte for byte as HAProxy does: never normalized. */
function filenameIn(crtList: string, file: string): string {
  return `${crtList.replace(/\/+$/, '')}/${file}`;
}

/**
 * Whether `show ssl cert` and `show ssl crt-list` say that HAProxy serves the desired certificate under this name. Of a
 * detached one they do not know: a handshake must show it.
 */
export function isServing(
  runtimeFile: RuntimeFile,
  desired: { serial: string; chainLength: number },
): boolean {
  const { certificate, isListed } = runtimeFile;
  if (certificate === undefined || !isListed) return false;
  if (certificate.status !== 'Used' && !isDetached(runtimeFile)) return false;
  const chainLength = certificate.chainLength ?? desired.chainLength;
  return certificate.serial === desired.serial && chainLength === desired.chainLength;
}

/**
 * Before 3.2, `commit ssl ca-file` and `commit ssl crl-file` make new TLS contexts that HAProxy no longer links with the
 * certificates of the bind. It goes on serving them, shows them as `Unused`, and takes an update ("Success!") without
 * serving it.
 */
export function isDetached({ certificate, isListed }: RuntimeFile): boolean {
  return isListed && certificate?.status === 'Unused';
}

export function detached({ filename }: Pick<RuntimeFile, 'filename'>, cause?: Error): RuntimeCommandFailed {
  const detail =
    'HAProxy serves what it had, and takes a new certificate only at its next reload: "commit ssl ca-file" or "crl-file" has cut the file off from its bind (HAProxy shows it as Unused)';
  return new RuntimeCommandFailed('ERR_RUNTIME_DETACHED', { verb: 'set ssl cert', filename }, detail, {
    cause,
  });
}
