/** Sections of HAProxy's configuration, and what they say of connections that send no request. */
import { type ConfigLine, positionOf } from '#common/haproxy/config-lines.ts';

/** What becomes of a connection without a request. */
export interface NullConnections {
  /** It leaves a line in the log: there is one, and neither the section nor its defaults have `option dontlognull`. */
  areLogged: boolean;
  /** `FILE:LINE` that counts connections by their source before there is a request. */
  countedAt: string | undefined;
}

interface Section {
  kind: string;
  name: string | undefined;
  /** `from NAME`: its defaults. */
  from: string | undefined;
  lines: ConfigLine[];
}

const KINDS: ReadonlySet<string> = new Set([
  ...['global', 'defaults', 'frontend', 'backend', 'listen', 'peers', 'resolvers', 'userlist'],
  ...['mailers', 'program', 'http-errors', 'ring', 'cache', 'fcgi-app', 'log-forward', 'crt-store', 'acme'],
]);

/** @returns for each line of a proxy that may have binds */
export function nullConnectionsByLine(lines: readonly ConfigLine[]): Map<ConfigLine, NullConnections> {
  const known = new Map<ConfigLine, NullConnections>();
  const sections = sectionsOf(lines);
  for (const [index, section] of sections.entries()) {
    const before = sections.slice(0, index).filter(({ kind }) => kind === 'defaults');
    const defaults =
      section.from === undefined ? before.at(-1) : before.find(({ name }) => name === section.from);
    const isSilent = saysOf(section) ?? (defaults && saysOf(defaults)) ?? false;
    const hasLog = [section, defaults].some((one) => one?.lines.some(({ words }) => words[0] === 'log'));
    const counting = section.lines.find(isCounting);
    const facts = { areLogged: hasLog && !isSilent, countedAt: counting && positionOf(counting) };
    for (const line of section.lines) known.set(line, facts);
  }
  return known;
}

function sectionsOf(lines: readonly ConfigLine[]): Section[] {
  const sections: Section[] = [];
  for (const line of lines) {
    const [first = '', name, ...rest] = line.words;
    if (KINDS.has(first)) {
      const from = [name, ...rest].indexOf('from');
      sections.push({
        kind: first,
        name,
        from: from === -1 ? undefined : [name, ...rest][from + 1],
        lines: [],
      });
    } else {
      sections.at(-1)?.lines.push(line);
    }
  }
  return sections;
}

/** @returns undefined where it says nothing of it */
function saysOf({ lines }: Section): boolean | undefined {
  const last = lines.filter(({ words }) => words.join(' ').endsWith('option dontlognull')).at(-1);
  return last && last.words[0] !== 'no';
}

/** From `http-request` on, a connection without a request counts nothing. */
function isCounting({ words }: ConfigLine): boolean {
  const [first, stage = '', action = '', key] = words;
  const isEarly = first === 'tcp-request' && ['connection', 'session'].includes(stage);
  return isEarly && action.startsWith('track-sc') && key === 'src';
}
