/**
 * The crt-list file that HAProxy reads at its start: one line for each of our files; comments, order and everybody
 * else's lines are kept. What is added at run time only would be gone with the next reload.
 */
import { readFile, realpath, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { replaceFile } from '#contract/atomic-file.ts';
import type { AgentConfig } from './config.ts';
import { HostError } from './errors.ts';
import { crtListLine, type Listing, parseCrtListLine, tailOf } from './haproxy/crt-list-line.ts';
import { toHaproxy } from './haproxy/path-map.ts';
import type { WantedFile } from './wanted.ts';

export interface CrtListFile {
  path: string;
  /** HAProxy's name of the directory that holds our files. */
  certsDir: string;
}

/** What is after the names of our files, by file; a file may have several lines. */
export type Tails = ReadonlyMap<string, readonly string[]>;

/** @throws HostError `ERR_CRT_LIST_FILE` */
export async function viewCrtList(list: CrtListFile, files: Iterable<string>): Promise<Tails> {
  const lines = linesIn(await readText(list.path)).flatMap((line) => parseCrtListLine(line) ?? []);
  const tails = new Map<string, string[]>();
  for (const { filename, tail } of lines) {
    const name = posix.normalize(filename);
    tails.set(name, [...(tails.get(name) ?? []), tail]);
  }
  return new Map([...files].map((file) => [file, tails.get(nameOf(list, file)) ?? []]));
}

export function crtListFileOf({ haproxy }: AgentConfig): CrtListFile | undefined {
  const { crtListFile: path, certsDir, paths } = haproxy;
  return path === undefined ? undefined : { path, certsDir: toHaproxy(certsDir, paths) };
}

/** What each file shall have there; nothing: it is to go. */
export function tailsOf(
  files: Iterable<string>,
  wanted: readonly WantedFile[],
  listed: Tails | undefined,
): Map<string, readonly string[]> {
  const tails = new Map<string, readonly string[]>([...files].map((file) => [file, []]));
  for (const { file, listing } of wanted) tails.set(file, wantedTails(listing, listed?.get(file)));
  return tails;
}

/** As the manifest says it; where it says nothing, as the file has it already. */
export function wantedTails(listing: Listing | undefined, onDisk: readonly string[] = []): readonly string[] {
  if (listing !== undefined) return [tailOf(listing)];
  return onDisk.length > 0 ? onDisk : [''];
}

/**
 * Makes the file's lines exactly these; none: takes it off the list. Equal → not written.
 * @throws HostError `ERR_CRT_LIST_FILE`; tried again with each pass
 */
export async function writeTails(
  list: CrtListFile,
  file: string,
  tails: readonly string[],
): Promise<boolean> {
  const before = await readText(list.path);
  const after = withTails(before ?? '', list.certsDir, file, tails);
  if (after === before) return false;
  try {
    const path = await realpath(list.path).catch(() => list.path);
    const seen = await stat(path).catch(() => undefined);
    // Only root may give a file away.
    const owner = seen && process.getuid?.() === 0 ? { uid: seen.uid, gid: seen.gid } : {};
    await replaceFile(path, after, { mode: (seen?.mode ?? 0o644) & 0o777, ...owner });
    return true;
  } catch (error) {
    throw cannot('be written', list.path, error);
  }
}

/** Pure. A new line comes before the first of ours with a later name: so HAProxy's order is that of a directory. */
export function withTails(text: string, certsDir: string, file: string, tails: readonly string[]): string {
  const own = nameOf({ certsDir }, file);
  const lines = linesIn(text);
  const nameIn = (line: string) => parseCrtListLine(line)?.filename;
  const isOwn = (line: string) => posix.normalize(nameIn(line) ?? '') === own;
  const first = lines.findIndex(isOwn);
  const filename = nameIn(lines[first] ?? '') ?? `${certsDir}/${file}`;
  const before = lines.filter(isOwn).map((line) => parseCrtListLine(line)?.tail);
  if (before.length === tails.length && before.every((tail, index) => tail === tails[index])) return text;
  const written = tails.map((tail) => crtListLine(filename, tail));
  const rest = lines.filter((line) => !isOwn(line));
  const isLater = (line: string) => {
    const name = posix.normalize(nameIn(line) ?? '');
    return posix.dirname(name) === posix.dirname(own) && name > own;
  };
  // Before the first of its own lines, no line was taken out.
  const at = first === -1 ? rest.findIndex(isLater) : first;
  rest.splice(at === -1 ? rest.length : at, 0, ...written);
  return rest.map((line) => `${line}\n`).join('');
}

function nameOf({ certsDir }: Pick<CrtListFile, 'certsDir'>, file: string): string {
  return posix.normalize(`${certsDir}/${file}`);
}

function linesIn(text: string | undefined): string[] {
  return (text ?? '')
    .replace(/\n$/, '')
    .split('\n')
    .slice(text ? 0 : 1);
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw cannot('be read', path, error);
  });
}

function cannot(what: string, path: string, error: unknown): HostError {
  const { code } = error as NodeJS.ErrnoException;
  const hint = `${path} cannot ${what} (${code}): it must lie in a directory that this user may write to`;
  return new HostError('ERR_CRT_LIST_FILE', hint, { cause: error });
}
