/** The manual page of a program (man(7)), made of its own help. */
import { type CommandLineSpec, type UsageParagraph, usageParagraphs } from './spec.ts';

/** @returns the page, in section 1 */
export function manualPage(spec: CommandLineSpec, files: Readonly<Record<string, string>>): string {
  const { program, version } = spec;
  const [purpose, ...parts] = usageParagraphs(spec);
  const text = purpose?.kind === 'text' ? purpose.text : program;
  const summary = text.startsWith(`${program} `) ? text.slice(program.length + 1) : text;
  const sections: string[] = [];
  let title = '';
  for (const part of parts) {
    const next = titleOf(part);
    if (next !== title) sections.push(`.SH ${next}`);
    title = next;
    sections.push(bodyOf(part));
  }
  return [
    `.TH ${program.toUpperCase()} 1 "" "${program} ${version}"`,
    '.SH NAME',
    `${escaped(program)} \\- ${escaped(summary.replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    `.B ${escaped(program)}`,
    '.I command',
    '.RI [ options ]',
    ...sections,
    '.SH FILES',
    ...Object.entries(files).map(([file, what]) => `.TP\n.I ${escaped(file)}\n${escaped(what)}`),
    '.SH SEE ALSO',
    `.IR ${escaped(`/usr/share/doc/${program}/`)}`,
    '',
  ].join('\n');
}

function titleOf(part: UsageParagraph): string {
  if (part.kind === 'example') return 'EXAMPLES';
  if (part.kind === 'entries') return part.entries[0]?.head.startsWith('-') ? 'OPTIONS' : 'COMMANDS';
  return /^exit status/i.test(part.text) ? 'EXIT STATUS' : 'DESCRIPTION';
}

function bodyOf(part: UsageParagraph): string {
  if (part.kind === 'text') return `${escaped(part.text)}\n.PP`;
  if (part.kind === 'example') return ['.nf', ...part.lines.map(escaped), '.fi'].join('\n');
  const entries = part.entries.map(({ head, text }) => `.TP\n.B ${escaped(head)}\n${escaped(text)}`);
  return [...(part.intro === '' ? [] : [escaped(part.intro)]), ...entries].join('\n');
}

/** What troff would read as its own: backslashes, hyphens that must stay such, a dot or quote that begins a line. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replace(/^(?=[.'])/gm, '\\&');
}
