/** HAProxy's configuration in sections, each with the lines that apply in it and what it inherits. */
import { type ConfigLine, type HaproxyEnvironment, linesOf } from '#common/haproxy/config-lines.ts';
import { splitLines } from './text-edit.ts';

export interface ConfigText {
  file: string;
  text: string;
  /** latin1: of bytes that are no UTF-8, which stay what they are. */
  encoding: 'utf8' | 'latin1';
}

const KINDS: ReadonlySet<string> = new Set(
  (
    'global defaults frontend backend listen userlist peers mailers cache resolvers program http-errors ring ' +
    'log-forward log-profile fcgi-app crt-store acme traces healthcheck'
  ).split(' '),
);

/** A line as it stands in the file. */
export const isSectionHead = (line: string): boolean => KINDS.has(/^\s*([\w-]+)/.exec(line)?.[1] ?? '');

export interface Section {
  kind: string;
  name: string;
  file: string;
  head: ConfigLine;
  lines: readonly ConfigLine[];
  /** Of a proxy: the `defaults` that it takes. */
  defaults: Section | undefined;
  /** What its lines begin with. */
  indent: string;
  /** Of the text: where a line may stand that is to be the last one of the section. */
  end: number;
}

/** A bind of a proxy; one line may name several addresses. */
export interface BindLine {
  section: Section;
  line: ConfigLine;
  addresses: readonly string[];
  isTls: boolean;
}

/** In the order in which HAProxy reads them. */
export function readSections(texts: readonly ConfigText[], env: HaproxyEnvironment): Section[] {
  const sections: Section[] = [];
  for (const { file, text } of texts) {
    const raw = splitLines(text);
    let current: (Section & { lines: ConfigLine[] }) | undefined;
    for (const line of linesOf(file, text, env)) {
      const [first = ''] = line.words;
      if (KINDS.has(first)) {
        current = { ...headOf(line, sections), lines: [], indent: '    ', end: line.number };
        sections.push(current);
      } else if (current !== undefined) {
        const blank = /^\s*/.exec(raw[line.number - 1] ?? '')?.[0];
        if (current.lines.length === 0 && blank) current.indent = blank;
        current.lines.push(line);
        current.end = line.number;
      }
    }
    for (const section of sections) {
      if (section.file === file) section.end = outsideOfConditions(raw, section.end);
    }
  }
  return sections;
}

function headOf(head: ConfigLine, before: readonly Section[]) {
  const [kind = '', ...rest] = head.words;
  const name = rest[0] === undefined || (kind === 'defaults' && rest[0] === 'from') ? '' : rest[0];
  const from = rest[rest.indexOf('from') + 1];
  const named = rest.includes('from') ? before.findLast(isDefaults(from)) : undefined;
  return { kind, name, file: head.file, head, defaults: named ?? before.findLast(isDefaults()) };
}

const isDefaults =
  (name?: string) =>
  (section: Section): boolean =>
    section.kind === 'defaults' && (name === undefined || section.name === name);

/** Of the lines of a text: the first place from `at` on that is in no `.if`. */
function outsideOfConditions(raw: readonly string[], at: number): number {
  let depth = 0;
  for (const [index, line] of raw.entries()) {
    if (index >= at && depth === 0) return index;
    if (/^\s*\.if\b/.test(line)) depth += 1;
    if (/^\s*\.endif\b/.test(line)) depth -= 1;
  }
  return raw.length;
}

/** Its own line, or that of its defaults. */
export function settingOf(section: Section, keyword: string): readonly string[] | undefined {
  const own = section.lines.findLast(({ words: [first] }) => first === keyword)?.words.slice(1);
  return own ?? (section.defaults === undefined ? undefined : settingOf(section.defaults, keyword));
}

/** HAProxy's own default is tcp. */
export const modeOf = (section: Section): string => settingOf(section, 'mode')?.[0] ?? 'tcp';

export const isFront = ({ kind }: Section): boolean => kind === 'frontend' || kind === 'listen';

export function bindsOf(section: Section): BindLine[] {
  return section.lines
    .filter(({ words: [first] }) => first === 'bind')
    .map((line) => ({
      section,
      line,
      addresses: (line.words[1] ?? '').split(',').filter(Boolean),
      isTls: line.words.includes('ssl'),
    }));
}

/** Whether an address is one of this TCP port, alone or in a range; `quic4@` is UDP. */
export function hasPort(address: string, port: number): boolean {
  if (/^(quic|udp|unix|abns|fd|sockpair|\/)/.test(address)) return false;
  const [, low = '', high = low] = /:(\d+)(?:-(\d+))?$/.exec(address) ?? [];
  return low !== '' && Number(low) <= port && port <= Number(high);
}

export const valuesOf = ({ words }: ConfigLine, keyword: string): string[] =>
  words.flatMap((word, index) => (word === keyword ? [words[index + 1] ?? ''] : []));
