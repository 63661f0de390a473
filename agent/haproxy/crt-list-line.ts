/**
 * One line of a crt-list: `<crtfile> [\[<sslbindconf> ...\]] [[!]<snifilter> ...]` (configuration manual, "crt-list").
 * HAProxy shows its own entries in the same form, but not every option: those that it hides cannot be compared.
 */

export interface CrtListFile {
  path: string;
  /** HAProxy's name of the directory that holds our files. */
  certsDir: string;
}

/** The tails of our files' lines, by file; a file may have several lines. */
export type Tails = ReadonlyMap<string, readonly string[]>;

export interface CrtListLine {
  filename: string;
  /** What follows the filename: options in brackets, then filters. Often empty. */
  tail: string;
}

/** What the manifest may say about a certificate's entry. */
export interface Listing {
  crtListOptions: readonly string[];
  sniFilters: readonly string[];
}

/** Options that `show ssl crt-list` shows (2.6, 3.0 and 3.2 alike), with the number of words after them. */
const SHOWN: ReadonlyMap<string, number> = new Map([
  ['alpn', 1],
  ['npn', 1],
  ['verify', 1],
  ['ca-file', 1],
  ['crl-file', 1],
  ['ciphers', 1],
  ['ciphersuites', 1],
  ['curves', 1],
  ['ecdhe', 1],
  ['ssl-min-ver', 1],
  ['ssl-max-ver', 1],
  ['no-ca-names', 0],
  ['allow-0rtt', 0],
]);

/** `undefined`: a comment, or nothing. HAProxy knows no quotes and no escapes here. */
export function parseCrtListLine(line: string): CrtListLine | undefined {
  const [, filename, tail = ''] = /^\s*([^\s[\]#][^\s[\]]*)\s*(.*?)\s*$/.exec(line) ?? [];
  return filename === undefined ? undefined : { filename, tail };
}

export function crtListLine(filename: string, tail: string): string {
  return tail === '' ? filename : `${filename} ${tail}`;
}

export function tailOf({ crtListOptions, sniFilters }: Listing): string {
  const options = crtListOptions.length === 0 ? [] : [`[${crtListOptions.join(' ')}]`];
  return [...options, ...sniFilters].join(' ');
}

/** Whether HAProxy has words to refuse in it: it takes any filter, but not any option. */
export function hasOptions(tail: string): boolean {
  return tail.startsWith('[');
}

/** Options that HAProxy takes from a line, but never shows: an entry that looks the same may lack them. */
export function hasHiddenOptions(tail: string): boolean {
  const [, options = ''] = /^\[([^\]]*)\]/.exec(tail) ?? [];
  return shownOptions(wordsIn(options)).join(' ') !== wordsIn(options).join(' ');
}

export function filtersIn(tail: string): string[] {
  return wordsIn(tail.replace(/^\[[^\]]*\]/, ''));
}

/** Equal as far as HAProxy shows it: the order of options and filters does not matter. */
export function isSameTail(a: string, b: string): boolean {
  return comparable(a) === comparable(b);
}

function comparable(tail: string): string {
  const [, options = ''] = /^\[([^\]]*)\]/.exec(tail) ?? [];
  return [...shownOptions(wordsIn(options)).sort(), '|', ...filtersIn(tail).sort()].join(' ');
}

function shownOptions(words: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    const following = SHOWN.get(word);
    return following === undefined ? [] : [words.slice(index, index + 1 + following).join(' ')];
  });
}

function wordsIn(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
