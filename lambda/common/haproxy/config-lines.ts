/**
 * The lines of HAProxy's configuration, read in HAProxy's own way: words, quotes, `"${NAME-default}"`,
 * `.if defined(NAME)`. A condition that only HAProxy can evaluate keeps both of its branches.
 */
import { basename } from 'node:path';

export interface ConfigLine {
  file: string;
  number: number;
  words: readonly string[];
}

export type HaproxyEnvironment = Readonly<Record<string, string | undefined>>;

export const positionOf = ({ file, number }: ConfigLine) => `${file}:${number}`;

/** @returns where the configuration names the file itself, by whatever path, also as a bundle (`shop.pem` of `shop.pem.rsa`) */
export function positionsNaming(file: string, lines: readonly ConfigLine[]): string[] {
  const isName = (word: string) => [file, file.replace(/\.(rsa|ecdsa|dsa)$/, '')].includes(basename(word));
  const naming = lines.filter(({ words }) => words.some(isName));
  return naming.map(
    (line) => `${positionOf(line)} (${keywordBefore(line.words.findIndex(isName), line.words)})`,
  );
}

/** `bind … crt FILE`, `load crt FILE alias site`: the alias says more. */
function keywordBefore(index: number, words: readonly string[]): string {
  const alias = words[words.indexOf('alias') + 1];
  const keyword = words[index - 1] ?? '';
  return words.includes('alias') ? `${keyword}, alias ${alias}` : keyword;
}

export function linesOf(file: string, text: string, env: HaproxyEnvironment): ConfigLine[] {
  /** Whether the current branch of each open `.if` applies; `undefined`: only HAProxy can tell. */
  const branches: (boolean | undefined)[] = [];
  const lines: ConfigLine[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const words = wordsOf(line, env);
    const [first = '', condition] = words;
    if (first === '.if') branches.push(isTrue(condition, env));
    else if (first === '.elif') branches.push(branches.pop() === true ? false : undefined);
    else if (first === '.else') branches.push(opposite(branches.pop()));
    else if (first === '.endif') branches.pop();
    else if (first !== '' && !branches.includes(false)) lines.push({ file, number: index + 1, words });
  }
  return lines;
}

function isTrue(condition: string | undefined, env: HaproxyEnvironment): boolean | undefined {
  const [, not, name] = /^(!?)defined\((\w+)\)$/.exec(condition ?? '') ?? [];
  return name === undefined ? undefined : (env[name] !== undefined) === (not === '');
}

const opposite = (branch: boolean | undefined) => (branch === undefined ? undefined : !branch);

/** A word of a line, and where the line has it. */
export interface WordSpan {
  word: string;
  start: number;
  end: number;
}

/** A word ends at a blank outside of quotes; `#` begins a comment; variables live in double quotes only. */
const TOKEN = /(\s+)|(#.*)|"((?:\\.|[^"\\])*)"?|'([^']*)'?|\\(.)|([^\s"'\\#]+)/g;

const wordsOf = (line: string, env: HaproxyEnvironment) => wordSpans(line, env).map(({ word }) => word);

/** The words of one line, without its comment. */
export function wordSpans(line: string, env: HaproxyEnvironment): WordSpan[] {
  const spans: WordSpan[] = [];
  let isWithin = false;
  for (const match of line.matchAll(TOKEN)) {
    const [text, blank, comment, double, single, escaped, plain] = match;
    if (comment !== undefined) break;
    if (blank !== undefined) {
      isWithin = false;
      continue;
    }
    const quotedText = double === undefined ? undefined : expand(double, env);
    const part = quotedText ?? single ?? escaped ?? plain ?? '';
    const last = spans.at(-1);
    const end = match.index + text.length;
    if (isWithin && last !== undefined) Object.assign(last, { word: last.word + part, end });
    else spans.push({ word: part, start: match.index, end });
    isWithin = true;
  }
  return spans;
}

function expand(text: string, env: HaproxyEnvironment): string {
  return text
    .replaceAll(/\$\{(\w+)(?:\[\*\])?(?:-([^}]*))?\}|\$(\w+)/g, (_, braced, fallback, bare) => {
      return env[braced ?? bare] ?? fallback ?? '';
    })
    .replaceAll(/\\(.)/g, '$1');
}
