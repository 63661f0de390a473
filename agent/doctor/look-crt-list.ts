/** Reads the crt-list file as HAProxy would at its next start, and changes nothing. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, posix } from 'node:path';
import { codeOf } from '#contract/errors.ts';
import { MAX_FOREIGN_BYTES } from '#contract/limits.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { AgentConfig } from '../config/config.ts';
import { type CrtListLine, parseCrtListLine } from '../haproxy/crt-list-line.ts';
import { toHaproxy, toHost } from '../haproxy/path-map.ts';
import type { HaproxyConfig } from './haproxy-config.ts';

export interface CrtListFacts {
  path: string;
  /** Error code if it cannot be read. */
  code: string | undefined;
  /** Whether this user may replace it: the agent never writes in place. */
  isReplaceable: boolean;
  /** Lines that HAProxy cannot read. */
  strays: readonly { number: number; why: string }[];
  /** Lines that name a file which does not exist. */
  missing: readonly { number: number; filename: string }[];
  /** Options and filters of the lines that name a file of certsDir, by file. */
  tails: ReadonlyMap<string, readonly string[]>;
}

interface NumberedLine extends CrtListLine {
  number: number;
}

export async function lookAtCrtList(
  { crtListFile: path, certsDir, paths }: AgentConfig['haproxy'],
  config: HaproxyConfig | undefined,
): Promise<CrtListFacts | undefined> {
  if (path === undefined) return undefined;
  const isReplaceable = await access(dirname(path), constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  const read = await readRegularFile(path, MAX_FOREIGN_BYTES).catch((error: unknown) => codeOf(error));
  const noLines = { strays: [], missing: [], tails: new Map() };
  if (typeof read === 'string') return { path, ...noLines, code: read, isReplaceable };
  const text = read.toString('utf8');
  const lines = text.split('\n').flatMap((line, index) => {
    const parsed = parseCrtListLine(line);
    return parsed === undefined ? [] : [{ number: index + 1, ...parsed }];
  });
  const hostPathOf = (filename: string) => {
    if (isAbsolute(filename)) return toHost(filename, paths);
    return config && toHost(join(config.crtBase ?? '/', filename), paths);
  };
  const missing: { number: number; filename: string }[] = [];
  for (const { number, filename } of lines) {
    if (!(await isFile(hostPathOf(filename)))) missing.push({ number, filename });
  }
  const tails = tailsIn(lines, toHaproxy(certsDir, paths));
  return { path, code: undefined, isReplaceable, strays: straysIn(text), missing, tails };
}

function tailsIn(lines: readonly NumberedLine[], certsDir: string): Map<string, string[]> {
  const directory = posix.normalize(`${certsDir}/`);
  const tails = new Map<string, string[]>();
  for (const { filename, tail } of lines) {
    const name = posix.normalize(filename);
    if (!name.startsWith(directory)) continue;
    const file = name.slice(directory.length);
    tails.set(file, [...(tails.get(file) ?? []), tail]);
  }
  return tails;
}

/** Pure. The rules are those of `haproxy -c` 2.6 and 3.2, as measured. */
function straysIn(text: string): { number: number; why: string }[] {
  const lines = text.split('\n');
  const last = lines.pop() ?? '';
  const strays = lines.flatMap((line, index) => {
    const why = whyStray(line);
    return why === undefined ? [] : [{ number: index + 1, why }];
  });
  if (last === '' || last.startsWith('#')) return strays;
  return [...strays, { number: lines.length + 1, why: 'has no line end' }];
}

function whyStray(line: string): string | undefined {
  if (line.trim() === '' || line.startsWith('#')) return undefined;
  const parsed = parseCrtListLine(line);
  if (parsed === undefined) {
    return line.trim().startsWith('#') ? 'is a comment that does not begin the line' : 'names no file';
  }
  const hasOptionsAtMostOnce = /^[^[\]]*(\[[^[\]]*(\][^[\]]*)?)?$/.test(parsed.tail);
  return hasOptionsAtMostOnce ? undefined : 'has brackets that do not match';
}

/** True where this host cannot tell. For `X`, HAProxy also takes `X.rsa`, `X.ecdsa` and `X.dsa`. */
async function isFile(path: string | undefined): Promise<boolean> {
  if (path === undefined) return true;
  for (const suffix of ['', '.rsa', '.ecdsa', '.dsa']) {
    if (await stat(`${path}${suffix}`).then((stats) => stats.isFile(), isUnknown)) return true;
  }
  return false;
}

/** A file that this user may not see is not missing. */
const isUnknown = (error: unknown) => !['ENOENT', 'ENOTDIR'].includes(codeOf(error));
