/**
 * What a line of a crt-list may say (HAProxy's configuration manual, "crt-list"): its options are some of the keywords
 * of a bind, its filters are names. A line that HAProxy does not accept stops its start, so both sides check it: the
 * issuer before it publishes, the agent before it writes.
 */

interface Keyword {
  /** Words after the keyword. */
  words: 0 | 1;
  /** All that the word may be, where that is a closed list. */
  values?: readonly string[];
  /** The word names a file of the host. */
  isFile?: true;
}

const TLS_VERSIONS = ['TLSv1.0', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/** Tried with `haproxy -c` of 2.6, 3.0, 3.2 and 3.4 (crt-list-keywords.test.ts); the last four are unknown to 2.6. */
export const CRT_LIST_KEYWORDS: Readonly<Record<string, Keyword>> = {
  'allow-0rtt': { words: 0 },
  alpn: { words: 1 },
  'ca-file': { words: 1, isFile: true },
  'ca-verify-file': { words: 1, isFile: true },
  ciphers: { words: 1 },
  ciphersuites: { words: 1 },
  'crl-file': { words: 1, isFile: true },
  curves: { words: 1 },
  ecdhe: { words: 1 },
  'no-ca-names': { words: 0 },
  npn: { words: 1 },
  'ssl-max-ver': { words: 1, values: TLS_VERSIONS },
  'ssl-min-ver': { words: 1, values: ['SSLv3', ...TLS_VERSIONS] },
  verify: { words: 1, values: ['none', 'optional', 'required'] },
  'client-sigalgs': { words: 1 },
  'no-alpn': { words: 0 },
  'ocsp-update': { words: 1, values: ['on', 'off'] },
  sigalgs: { words: 1 },
};

/** HAProxy allows them there since 3.0 or later; they would take the file, or who issues it, out of pemfleet's hands. */
const CRT_STORE_KEYWORDS = 'acme alias bits domains generate-dummy issuer jwt key keytype ocsp sctl'.split(
  ' ',
);

/** No space, quote, backslash, bracket, `#` (a comment) or `;` (the next command of the Runtime API). */
const WORD = /^[A-Za-z0-9!%*+,\-./:=?@_~^]+$/;
const FILTER = /^(\*|!?(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)$/;
/** Trees of devices, of the kernel, and of files that a boot deletes: a line that names one stops a start, or hangs it. */
const VOLATILE_PATH = /^\/(dev|proc|run|sys|var\/run)(\/|$)/;

/** @returns what is wrong with an option: one keyword with its word; `undefined`: nothing */
export function crtListOptionProblem(option: string): string | undefined {
  const [name = '', ...words] = option.split(' ');
  const keyword = Object.hasOwn(CRT_LIST_KEYWORDS, name) ? CRT_LIST_KEYWORDS[name] : undefined;
  if (keyword === undefined) return unknownKeyword(name);
  const wanted = keyword.values?.join(', ') ?? (keyword.isFile ? 'a file' : 'a value without spaces');
  if (words.length !== keyword.words || words.includes('')) {
    const after = keyword.words === 0 ? 'nothing' : `one word (${wanted})`;
    return `wanted ${after} after ${name}, saw ${words.length} words${words.length > 1 ? ': write each keyword as an option of its own' : ''}`;
  }
  const [word] = words;
  if (word === undefined) return undefined;
  if (!WORD.test(word)) {
    return `${name} holds a character that a crt-list line cannot hold: no quotes, brackets, "#", ";" or line ends`;
  }
  if (keyword.values?.includes(word) === false) {
    return `wanted ${wanted} after ${name}, saw ${quoted(word)}`;
  }
  return keyword.isFile ? fileProblem(name, word) : undefined;
}

/** @returns what is wrong with a filter: a name, `*.name` or `*`, with `!` before it where it is excluded */
export function sniFilterProblem(filter: string): string | undefined {
  if (FILTER.test(filter)) return undefined;
  return `wanted a name, *.name, or *; with ! before it: not for that name; saw ${quoted(filter)}`;
}

/** What is wrong with a line, the first problem of it; `undefined`: nothing. */
export function listingProblem(listing: {
  crtListOptions: readonly string[];
  sniFilters: readonly string[];
}): string | undefined {
  const { crtListOptions, sniFilters } = listing;
  const twice = repeatedKeyword(crtListOptions);
  if (twice !== undefined) return `crtListOptions: ${twice}`;
  for (const option of crtListOptions) {
    const problem = crtListOptionProblem(option);
    if (problem !== undefined) return `crtListOptions: ${problem}`;
  }
  for (const filter of sniFilters) {
    const problem = sniFilterProblem(filter);
    if (problem !== undefined) return `sniFilters: ${problem}`;
  }
  return undefined;
}

/** HAProxy takes the last of two and says nothing. */
export function repeatedKeyword(options: readonly string[]): string | undefined {
  const names = options.map((option) => option.split(' ')[0]);
  const name = names.find((one, index) => names.indexOf(one) !== index);
  return name === undefined ? undefined : `${quoted(name)} is there twice: keep one`;
}

function unknownKeyword(name: string): string {
  if (CRT_STORE_KEYWORDS.includes(name)) {
    return `${name} is not allowed: the PEM holds all of the certificate, and pemfleet manages its file`;
  }
  const known = Object.keys(CRT_LIST_KEYWORDS).sort().join(', ');
  return `HAProxy knows no keyword ${quoted(name)} in a crt-list line; it allows ${known}`;
}

function fileProblem(name: string, path: string): string | undefined {
  if (path.startsWith('@')) {
    return path === '@system-ca'
      ? undefined
      : `wanted a path or @system-ca after ${name}, saw ${quoted(path)}`;
  }
  if (path.split('/').includes('..')) return `${name} ${quoted(path)}: write the path without ".."`;
  if (!VOLATILE_PATH.test(path.replaceAll(/\/(\.?\/)+/g, '/'))) return undefined;
  return `${name} ${quoted(path)}: HAProxy's next start must find a plain file there: take one below /etc`;
}

/** For a message, short and without control characters. */
function quoted(text: string): string {
  const plain = text.slice(0, 60).replaceAll(/[^\x20-\x7e]/g, '?');
  return `"${plain}${text.length > 60 ? '…' : ''}"`;
}
