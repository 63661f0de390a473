/** The fenced blocks of the documents, each with what the HTML comment before it says, and the code spans of their text. */
import { readdirSync, readFileSync } from 'node:fs';
import { marked, type Token } from 'marked';

export interface Block {
  page: string;
  line: number;
  language: string;
  text: string;
  /** `<!-- not run: … -->` before it: why no test can run it. */
  notRun?: string | undefined;
  /** `<!-- run on PLACE -->` before it: from here on the page is somewhere else. */
  place?: string | undefined;
  /** `<!-- ends with 3: WHY -->` before it: an exit status of one of its commands that is none of a fault. */
  endsWith?: number | undefined;
  /** `<!-- until it succeeds -->` before it: what a reader types again, for the host needs some seconds. */
  isAwaited?: boolean;
}

export const PAGES: readonly string[] = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'test/aws/README.md'],
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export function blocksOf(page: string): Block[] {
  const source = readFileSync(page, 'utf8');
  let before: Token | undefined;
  let searched = 0;
  return allTokens(marked.lexer(source)).flatMap((token) => {
    if (token.type === 'space') return [];
    const comment = before?.type === 'html' ? before.raw : '';
    before = token;
    if (token.type !== 'code' || !token.raw.trimStart().startsWith('```')) return [];
    const [first = ''] = token.text.split('\n');
    searched = Math.max(source.indexOf(first, searched), searched);
    const line = source.slice(0, searched).split('\n').length;
    const [, notRun] = /<!-- not run: ([\s\S]*?) -->/.exec(comment) ?? [];
    const [, place] = /<!-- run on ([^;>]+?)(?:;[^>]*)? -->/.exec(comment) ?? [];
    const [, status] = /[ ;]ends with (\d+): [^>]+ -->/.exec(comment) ?? [];
    const endsWith = status === undefined ? undefined : Number(status);
    return [
      {
        page,
        line,
        language: token.lang ?? '',
        text: token.text,
        notRun,
        place,
        endsWith,
        isAwaited: /[ ;]until it succeeds -->/.test(comment),
      },
    ];
  });
}

/** `pemfleet run --only NAME`, with its page. */
export function codeSpansOf(page: string): string[] {
  const tokens = allTokens(marked.lexer(readFileSync(page, 'utf8')));
  return tokens.flatMap((token) => (token.type === 'codespan' ? [token.text] : []));
}

/** In the order of the text, those within others after them. */
function allTokens(tokens: readonly Token[]): Token[] {
  const all: Token[] = [];
  void marked.walkTokens([...tokens], (token) => {
    all.push(token);
  });
  return all;
}
