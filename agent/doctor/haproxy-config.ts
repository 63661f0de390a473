/**
 * Reads the few lines of HAProxy's configuration that bear on certificates, in HAProxy's own way: words, quotes,
 * `"${NAME-default}"`, `.if defined(NAME)`. A condition that only HAProxy can evaluate keeps both of its branches.
 */

export interface ConfigLine {
  file: string;
  number: number;
  words: readonly string[];
}

export interface Bind {
  /** `FILE:LINE`. */
  at: string;
  address: string;
  crt: readonly string[];
  crtLists: readonly string[];
  hasStrictSni: boolean;
  /** It hangs up on a client without a PROXY header. */
  acceptsProxy: boolean;
}

export interface HaproxyConfig {
  files: readonly string[];
  /** Binds that serve TLS. */
  binds: readonly Bind[];
  statsSockets: readonly { at: string; path: string; level: string }[];
  chroot: string | undefined;
  crtBase: string | undefined;
  bufsize: number | undefined;
  /** Positions, `FILE:LINE`, that turn on HAProxy's own OCSP update. */
  ocspUpdates: readonly string[];
}

/** As `haproxy.handshake` names the bind: an address on which this host reaches it. */
export function toHandshake({ address, acceptsProxy }: Pick<Bind, 'address' | 'acceptsProxy'>): string {
  const local = address.replace(/^(\*|0\.0\.0\.0)?:/, '127.0.0.1:');
  return acceptsProxy ? `proxy@${local}` : local;
}

type Environment = Readonly<Record<string, string | undefined>>;

export function parseHaproxyConfig(
  texts: readonly { file: string; text: string }[],
  env: Environment,
): HaproxyConfig {
  const lines = texts.flatMap(({ file, text }) => linesOf(file, text, env));
  const settingOf = (keyword: string) => lines.find(({ words: [first] }) => first === keyword)?.words[1];
  const bufsize = Number(settingOf('tune.bufsize'));
  return {
    files: texts.map(({ file }) => file),
    binds: lines.filter(({ words }) => words[0] === 'bind' && words.includes('ssl')).map(bindOf),
    statsSockets: lines
      .filter(({ words }) => words[0] === 'stats' && words[1] === 'socket')
      .map((line) => ({
        at: positionOf(line),
        path: (line.words[2] ?? '').replace(/^unix@/, ''),
        level: valuesOf(line, 'level')[0] ?? 'operator',
      })),
    chroot: settingOf('chroot'),
    crtBase: settingOf('crt-base'),
    bufsize: bufsize > 0 ? bufsize : undefined,
    ocspUpdates: lines.filter(turnsOcspUpdateOn).map(positionOf),
  };
}

function bindOf(line: ConfigLine): Bind {
  return {
    at: positionOf(line),
    address: line.words[1] ?? '',
    crt: valuesOf(line, 'crt'),
    crtLists: valuesOf(line, 'crt-list'),
    hasStrictSni: line.words.includes('strict-sni'),
    acceptsProxy: line.words.includes('accept-proxy'),
  };
}

const valuesOf = ({ words }: ConfigLine, keyword: string): string[] =>
  words.flatMap((word, index) => (word === keyword ? [words[index + 1] ?? ''] : []));

const positionOf = ({ file, number }: ConfigLine) => `${file}:${number}`;

/** `tune.ssl.ocsp-update.mode on` since 3.1; `ocsp-update on` in a crt-list and on a bind. */
function turnsOcspUpdateOn({ words }: ConfigLine): boolean {
  const [first = '', second] = words;
  if (/^(tune\.ssl\.)?ocsp-update\.mode$/.test(first)) return second === 'on';
  return words.some(
    (word, index) => word.replace('[', '') === 'ocsp-update' && /^on\]?$/.test(words[index + 1] ?? ''),
  );
}

export function linesOf(file: string, text: string, env: Environment): ConfigLine[] {
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

function isTrue(condition: string | undefined, env: Environment): boolean | undefined {
  const [, not, name] = /^(!?)defined\((\w+)\)$/.exec(condition ?? '') ?? [];
  return name === undefined ? undefined : (env[name] !== undefined) === (not === '');
}

const opposite = (branch: boolean | undefined) => (branch === undefined ? undefined : !branch);

/** A word ends at a blank outside of quotes; `#` begins a comment; variables live in double quotes only. */
const TOKEN = /(\s+)|(#.*)|"((?:\\.|[^"\\])*)"?|'([^']*)'?|\\(.)|([^\s"'\\#]+)/g;

function wordsOf(line: string, env: Environment): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (const [, blank, comment, double, single, escaped, plain] of line.matchAll(TOKEN)) {
    if (comment !== undefined) break;
    if (blank === undefined) {
      const quotedText = double === undefined ? undefined : expand(double, env);
      word = (word ?? '') + (quotedText ?? single ?? escaped ?? plain ?? '');
    } else if (word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  return word === undefined ? words : [...words, word];
}

function expand(text: string, env: Environment): string {
  return text
    .replaceAll(/\$\{(\w+)(?:\[\*\])?(?:-([^}]*))?\}|\$(\w+)/g, (_, braced, fallback, bare) => {
      return env[braced ?? bare] ?? fallback ?? '';
    })
    .replaceAll(/\\(.)/g, '$1');
}
