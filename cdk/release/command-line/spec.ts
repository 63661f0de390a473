/** A program's command line as its own help and option table say it: manual page and completions are made from nothing else. */

export interface CommandLineSpec {
  program: string;
  version: string;
  /** What `--help` prints. */
  usage: string;
  options: Readonly<Record<string, OptionSpec>>;
  /** By command, `key rotate` among them: the names of its options. */
  takenBy: Readonly<Record<string, readonly string[]>>;
}

export interface OptionSpec {
  type: 'string' | 'boolean';
  short?: string;
}

/** A command or an option of the help, with what it says of it. */
export interface UsageEntry {
  head: string;
  text: string;
}

/** A paragraph of the help: entries, lines that stay as they are, or running text. */
export type UsageParagraph =
  | { kind: 'entries'; entries: readonly UsageEntry[]; intro: string }
  | { kind: 'example'; lines: readonly string[] }
  | { kind: 'text'; text: string };

/** A line that begins an entry: two spaces, then the program or an option. */
const ENTRY = /^ {2}(?=\S)/;

export function usageParagraphs({ usage }: Pick<CommandLineSpec, 'usage'>): UsageParagraph[] {
  return usage
    .trimEnd()
    .split(/\n\n+/)
    .map((paragraph) => paragraphOf(paragraph.split('\n')));
}

function paragraphOf(lines: readonly string[]): UsageParagraph {
  if (lines.some((line) => line.endsWith('\\'))) {
    return { kind: 'example', lines: lines.map((line) => line.replace(ENTRY, '')) };
  }
  const first = lines.findIndex((line) => ENTRY.test(line));
  const intro = joined(first < 0 ? lines : lines.slice(0, first));
  if (first < 0) return { kind: 'text', text: intro };
  const entries: UsageEntry[] = [];
  for (const line of lines.slice(first)) {
    const last = entries.at(-1);
    if (ENTRY.test(line) || last === undefined) entries.push(entryOf(line.trim()));
    else last.text = joined([last.text, line]);
  }
  return { kind: 'entries', entries, intro };
}

/** Columns stand two spaces apart: the head, more names of the same (a setting's path, its variable), what it does. */
function entryOf(line: string): UsageEntry {
  const [head = '', ...columns] = line.split(/ {2,}/);
  const text = columns.at(-1) ?? '';
  const names = columns.slice(0, -1).join(', ');
  return { head, text: names === '' ? text : `(${names}) ${text}` };
}

const joined = (lines: readonly string[]) =>
  lines
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ');

/** @returns what the help says of a command in its first entry; empty, if it has none */
export function commandSummary(spec: CommandLineSpec, command: string): string {
  const entries = usageParagraphs(spec).flatMap((part) => (part.kind === 'entries' ? part.entries : []));
  const begins = `${spec.program} ${command}`;
  const own = entries.find(({ head }) => head === begins || head.startsWith(`${begins} `));
  return own?.text ?? '';
}

/** The first words of all commands, and of those that have verbs, the verbs. */
export function commandWords({ takenBy }: CommandLineSpec): Map<string, string[]> {
  const words = new Map<string, string[]>();
  for (const command of Object.keys(takenBy)) {
    const [name = '', verb] = command.split(' ');
    words.set(name, [...(words.get(name) ?? []), ...(verb === undefined ? [] : [verb])]);
  }
  return words;
}
