/** Text of HTML, escaped by default: what comes from hosts, CAs and people is text, and stays text. */
import { printable } from '#common/printable.ts';

/** What may stand in a page as it is. Only `html` makes it. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Insertion = Markup | readonly Insertion[] | string | number | undefined | false;

/** A template whose insertions are escaped, but for markup. */
export function html(strings: TemplateStringsArray, ...insertions: readonly Insertion[]): Markup {
  return new Markup(strings.reduce((text, string, index) => text + textOf(insertions[index - 1]) + string));
}

function textOf(insertion: Insertion): string {
  if (insertion === undefined || insertion === false) return '';
  if (insertion instanceof Markup) return insertion.text;
  if (typeof insertion === 'object') return insertion.map(textOf).join('');
  return printable(String(insertion)).replaceAll(/[&<>"']/g, (special) => `&#${special.charCodeAt(0)};`);
}

/** Words in backquotes become code. */
export function withCode(text: string): Markup[] {
  return text.split('`').map((part, index) => (index % 2 === 0 ? html`${part}` : html`<code>${part}</code>`));
}
