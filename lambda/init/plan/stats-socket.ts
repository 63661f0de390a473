/** The stats socket that the agent needs: one that is there, or a line for one. */
import { dirname, join } from 'node:path';
import { wordSpans } from '#common/haproxy/config-lines.ts';
import { type HaproxyConfiguration, type PlanPart, Unplannable } from './haproxy-config.ts';
import { type Section, valuesOf } from './sections.ts';
import { insertion, replacement, splitLines } from './text-edit.ts';

export interface SocketHost {
  /** Group by which the agent gets to the socket; undefined: root alone uses it. */
  group: string | undefined;
  /** Whether a directory exists. */
  hasDirectory: (path: string) => boolean;
}

export interface SocketPlan extends PlanPart {
  path: string;
}

interface Socket {
  section: Section;
  number: number;
  path: string;
  words: readonly string[];
}

export function planStatsSocket(config: HaproxyConfiguration, host: SocketHost): SocketPlan {
  const sockets = config.sections.filter(({ kind }) => kind === 'global').flatMap(socketsOf);
  const admin = sockets.filter(({ words }) => levelOf(words) === 'admin');
  const ready = admin.find(({ words }) => isOpenTo(words, host.group));
  if (ready !== undefined) return { path: ready.path, edits: [], notes: [] };
  const grown = host.group === undefined ? undefined : admin.find(({ words }) => takesGroup(words));
  if (grown !== undefined && host.group !== undefined) return withGroup(config, grown, host.group);
  return ownSocket(config, sockets, host);
}

function socketsOf(section: Section): Socket[] {
  return section.lines
    .filter(({ words: [first, second] }) => first === 'stats' && second === 'socket')
    .map(({ words, number }) => ({ section, number, words, path: (words[2] ?? '').replace(/^unix@/, '') }))
    .filter(({ path }) => path.startsWith('/'));
}

const levelOf = (words: readonly string[]) => words[words.indexOf('level', 3) + 1 || -1] ?? 'operator';

function modeOfSocket(words: readonly string[]): number | undefined {
  const at = words.indexOf('mode', 3);
  return at < 0 ? undefined : Number.parseInt(words[at + 1] ?? '', 8);
}

const ownersOf = (words: readonly string[]) => ({
  group: valuesOf({ file: '', number: 0, words }, 'group')[0],
  isById: words.includes('gid'),
  user: words.includes('user') || words.includes('uid'),
});

function isOpenTo(words: readonly string[], group: string | undefined): boolean {
  const mode = modeOfSocket(words) ?? 0;
  const isForAll = (mode & 0o006) === 0o006;
  return group === undefined || isForAll || ((mode & 0o060) === 0o060 && ownersOf(words).group === group);
}

/** A socket that its mode opens to a group, and no line says which: root's, until somebody names one. */
function takesGroup(words: readonly string[]): boolean {
  const { group, isById } = ownersOf(words);
  return ((modeOfSocket(words) ?? 0) & 0o060) === 0o060 && group === undefined && !isById;
}

function withGroup(config: HaproxyConfiguration, socket: Socket, group: string): SocketPlan {
  const { file } = socket.section;
  const raw = rawLine(config, file, socket.number);
  const mode = wordSpans(raw, config.env).findIndex(({ word }) => word === 'mode');
  const end = wordSpans(raw, config.env)[mode + 1]?.end ?? raw.length;
  const line = `${raw.slice(0, end)} group ${group}${raw.slice(end)}`;
  return { path: socket.path, edits: [replacement(file, socket.number - 1, line)], notes: [] };
}

/** A socket with fewer rights, or another group's, serves somebody: it stays as it is. */
function ownSocket(config: HaproxyConfiguration, sockets: readonly Socket[], host: SocketHost): SocketPlan {
  const directory = directoryOf(sockets, host);
  const path = join(directory, sockets.length === 0 ? 'admin.sock' : 'pemfleet.sock');
  const group = host.group === undefined ? '' : ` group ${host.group}`;
  const mode = host.group === undefined ? '600' : '660';
  const lines = [`stats socket ${path} mode ${mode}${group} level admin`];
  const comment = '# pemfleet: the agent loads certificates through this socket';
  const global = config.sections.find(({ kind }) => kind === 'global');
  if (global !== undefined) {
    const body = [comment, ...lines].map((line) => `${global.indent}${line}`);
    return { path, edits: [insertion(global.file, placeIn(global), body)], notes: [] };
  }
  const [first] = config.texts;
  if (first === undefined) throw new Unplannable('wanted a file of HAProxy, saw none: --haproxy-config FILE');
  const body = ['global', ...[comment, ...lines].map((line) => `    ${line}`), ''];
  return { path, edits: [insertion(first.file, 0, body)], notes: [] };
}

/** After its other sockets: `stats timeout` belongs to all of them. */
function placeIn(global: Section): number {
  const last = global.lines.findLast(({ words: [first] }) => first === 'stats');
  return last?.number ?? global.end;
}

function directoryOf(sockets: readonly Socket[], { hasDirectory }: SocketHost): string {
  const [first] = sockets;
  if (first !== undefined) return dirname(first.path);
  return ['/run/haproxy', '/var/lib/haproxy'].find(hasDirectory) ?? '/run';
}

export function rawLine({ texts }: HaproxyConfiguration, file: string, number: number): string {
  return splitLines(texts.find((one) => one.file === file)?.text ?? '')[number - 1] ?? '';
}
