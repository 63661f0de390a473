/** Reads the few lines of HAProxy's configuration that bear on certificates. */
import { type ConfigLine, type HaproxyEnvironment, linesOf, positionOf } from '../haproxy/config-lines.ts';

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
  const local = address.replace(/^ipv[46]@/, '').replace(/^(\*|0\.0\.0\.0)?:/, '127.0.0.1:');
  return acceptsProxy ? `proxy@${local}` : local;
}

/** A handshake is made over TCP: `quic4@`, `unix@` and their like are no addresses for one. */
export const isTcp = ({ address }: Pick<Bind, 'address'>): boolean => !/^(?!ipv[46]@)\w+@/.test(address);

export function parseHaproxyConfig(
  texts: readonly { file: string; text: string }[],
  env: HaproxyEnvironment,
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

/** `tune.ssl.ocsp-update.mode on` since 3.1; `ocsp-update on` in a crt-list and on a bind. */
function turnsOcspUpdateOn({ words }: ConfigLine): boolean {
  const [first = '', second] = words;
  if (/^(tune\.ssl\.)?ocsp-update\.mode$/.test(first)) return second === 'on';
  return words.some(
    (word, index) => word.replace('[', '') === 'ocsp-update' && /^on\]?$/.test(words[index + 1] ?? ''),
  );
}
