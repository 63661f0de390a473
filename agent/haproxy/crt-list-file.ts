/**
 * The crt-list file that HAProxy reads at its start: one line for each of our files. Comments, the order, and lines
 * for other files are kept. Entries that are added at run time only would be lost with the next reload.
 */
import { realpath, stat } from 'node:fs/promises';
import { dirname, posix } from 'node:path';
import { readRegularFile, replaceFile } from '#storage/atomic-file.ts';
import type { AgentConfig } from '../config/config.ts';
import { HostError } from '../errors.ts';
import { ioProblem } from '../io-problem.ts';
import { type CrtListFile, crtListLine, parseCrtListLine, type Tails } from './crt-list-line.ts';
import { toHaproxy } from './path-map.ts';

/** 10,000 lines have a megabyte. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;

/** @throws HostError `ERR_CRT_LIST_FILE` */
export async function viewCrtList(list: CrtListFile, files: Iterable<string>): Promise<Tails> {
  const tails = tailsIn(linesIn(await readText(list.path)));
  return new Map([...files].map((file) => [file, tails.get(nameOf(list, file)) ?? []]));
}

export function crtListFileOf({ haproxy }: AgentConfig): CrtListFile | undefined {
  const { crtListFile: path, certsDir, paths } = haproxy;
  return path === undefined ? undefined : { path, certsDir: toHaproxy(certsDir, paths) };
}

/**
 * Makes the files' lines exactly these, in one write; an empty array takes the file off the list. Equal → not written.
 * @throws HostError `ERR_CRT_LIST_FILE`; each pass tries again
 */
export async function writeTails(list: CrtListFile, desired: Tails): Promise<void> {
  const text = (await readText(list.path)) ?? '';
  await replaceText(list, text, withTails(text, list.certsDir, desired));
}

/**
 * Puts the lines of each group of files in the order of its files, because HAProxy serves the first line for a name after
 * its next start. Equal → not written.
 * @throws HostError `ERR_CRT_LIST_FILE`
 */
export async function writeLineOrder(
  list: CrtListFile,
  groups: readonly (readonly string[])[],
): Promise<void> {
  const text = (await readText(list.path)) ?? '';
  await replaceText(list, text, withLineOrder(text, list.certsDir, groups));
}

async function replaceText(list: CrtListFile, text: string, after: string): Promise<void> {
  if (after === text) return;
  try {
    const path = await realpath(list.path).catch(() => list.path);
    const before = await stat(path).catch(() => undefined);
    // Only root may give a file away.
    const owner = before && process.getuid?.() === 0 ? { uid: before.uid, gid: before.gid } : {};
    await replaceFile(path, after, { mode: (before?.mode ?? 0o644) & 0o777, ...owner });
  } catch (error) {
    throw await cannot('be written', list.path, error);
  }
}

/** Pure. A new line goes before the first of our lines with a later name, so that HAProxy's order is that of a directory. */
export function withTails(text: string, certsDir: string, desired: Tails): string {
  const lines = linesIn(text);
  const before = tailsIn(lines);
  const spelled = new Map([...lines].reverse().map(({ name, filename }) => [name, filename]));
  const changes = new Map(
    [...desired].flatMap(([file, tails]) => {
      const name = nameOf({ certsDir }, file);
      const filename = spelled.get(name) ?? `${certsDir}/${file}`;
      const written = tails.map((tail) => crtListLine(filename, tail));
      return isSameTails(tails, before.get(name)) ? [] : [[name, written] as const];
    }),
  );
  if (changes.size === 0) return text;
  const added = [...changes.keys()].filter((name) => !before.has(name)).sort();
  /** The first line of a name yields all of its new lines, the next ones none. */
  const take = (name: string) => {
    const written = changes.get(name) ?? [];
    changes.set(name, []);
    return written;
  };
  const ourDirectory = posix.dirname(nameOf({ certsDir }, 'x'));
  const after = lines.flatMap(({ line, name }) => {
    const isOurs = posix.dirname(name) === ourDirectory;
    const count = isOurs ? added.findIndex((other) => other > name) : 0;
    const earlier = added.splice(0, count === -1 ? added.length : count).flatMap(take);
    return [...earlier, ...(changes.has(name) ? take(name) : [line])];
  });
  return [...after, ...added.flatMap(take)].map((line) => `${line}\n`).join('');
}

/** Pure. The lines of a group change places among themselves; all others, and comments, stay where they are. */
export function withLineOrder(
  text: string,
  certsDir: string,
  groups: readonly (readonly string[])[],
): string {
  const lines = linesIn(text);
  const after = lines.map(({ line }) => line);
  for (const group of groups) {
    const rank = new Map(group.map((file, index) => [nameOf({ certsDir }, file), index]));
    const places = [...lines.keys()].filter((index) => rank.has(lines[index]?.name ?? ''));
    const rankAt = (index: number) => rank.get(lines[index]?.name ?? '') ?? 0;
    const sorted = [...places].sort((a, b) => rankAt(a) - rankAt(b) || a - b);
    for (const [index, place] of places.entries()) after[place] = lines[sorted[index] ?? place]?.line ?? '';
  }
  return after.map((line) => `${line}\n`).join('');
}

function nameOf({ certsDir }: Pick<CrtListFile, 'certsDir'>, file: string): string {
  return posix.normalize(`${certsDir}/${file}`);
}

interface ListLine {
  line: string;
  /** The filename as it stands there, and normalized (`name`); both are empty in a comment. */
  filename: string;
  name: string;
  tail: string;
}

function linesIn(text: string | undefined): ListLine[] {
  const lines = (text ?? '').replace(/\n$/, '').split('\n');
  return lines.slice(text ? 0 : 1).map((line) => {
    const { filename = '', tail = '' } = parseCrtListLine(line) ?? {};
    return { line, filename, name: filename && posix.normalize(filename), tail };
  });
}

function tailsIn(lines: readonly ListLine[]): Map<string, string[]> {
  const tails = new Map<string, string[]>();
  for (const { name, tail } of lines) if (name !== '') tails.set(name, [...(tails.get(name) ?? []), tail]);
  return tails;
}

/** All files that HAProxy loads by it, normalized. @throws HostError `ERR_CRT_LIST_FILE` */
export async function listedNames(list: CrtListFile): Promise<string[]> {
  return [...tailsIn(linesIn(await readText(list.path))).keys()];
}

/** Whether HAProxy would load others than these files by it. */
export async function hasOtherLines(list: CrtListFile, files: ReadonlySet<string>): Promise<boolean> {
  const names = new Set([...files].map((file) => nameOf(list, file)));
  return (await listedNames(list)).some((name) => !names.has(name));
}

export function isSameTails(tails: readonly string[], listed: readonly string[] = []): boolean {
  return tails.length === listed.length && tails.every((tail, index) => tail === listed[index]);
}

async function readText(path: string): Promise<string | undefined> {
  const body = await readRegularFile(path, MAX_LIST_BYTES).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw await cannot('be read', path, error);
  });
  return body?.toString('utf8');
}

async function cannot(what: string, path: string, error: unknown): Promise<HostError> {
  const where = what === 'be written' ? dirname(path) : path;
  const hint = `${path} cannot ${what} (${await ioProblem(where, error)}): it must lie in a directory that this user may write to`;
  return new HostError('ERR_CRT_LIST_FILE', hint);
}
