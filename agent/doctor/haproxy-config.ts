/** Reads the few lines of HAProxy's configuration that bear on certificates. */

import {
  type ConfigLine,
  type HaproxyEnvironment,
  linesOf,
  positionOf,
} from '#common/haproxy/config-lines.ts';
import { toHandshake } from '#common/haproxy/handshake-address.ts';
import { type NullConnections, nullConnectionsByLine } from '../proof/null-connections.ts';
import { parseAddress } from '../wire/address.ts';

export interface Bind {
  /** `FILE:LINE`. */
  at: string;
  address: string;
  crt: readonly string[];
  crtLists: readonly string[];
  hasStrictSni: boolean;
  /** It hangs up on a client without a PROXY header. */
  acceptsProxy: boolean;
  /** `undefined`: HAProxy's own default; empty: none. */
  alpn: string | undefined;
  nullConnections: NullConnections;
  /** `v4v6`: the IPv6 wildcard takes IPv4, too. */
  isForBothFamilies: boolean;
  /** What keeps a client of this host from it: `interface NAME`, `namespace NAME`. */
  outOfReach: string | undefined;
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

type HandshakeBind = Pick<Bind, 'address' | 'acceptsProxy'> &
  Partial<Pick<Bind, 'isForBothFamilies' | 'outOfReach'>>;

/** A handshake is made over a stream: `quic4@` and its like are no addresses for one, nor are ports of another network namespace. */
export const isAskable = (bind: HandshakeBind): boolean =>
  bind.outOfReach === undefined && parseAddress(toHandshake(bind)) !== undefined;

export function parseHaproxyConfig(
  texts: readonly { file: string; text: string }[],
  env: HaproxyEnvironment,
): HaproxyConfig {
  const lines = texts.flatMap(({ file, text }) => linesOf(file, text, env));
  const settingOf = (keyword: string) => lines.find(({ words: [first] }) => first === keyword)?.words[1];
  const bufsize = Number(settingOf('tune.bufsize'));
  const nullConnections = nullConnectionsByLine(lines);
  return {
    files: texts.map(({ file }) => file),
    binds: lines
      .filter(({ words }) => words[0] === 'bind' && words.includes('ssl'))
      .map((line) => bindOf(line, nullConnections.get(line) ?? { areLogged: false, countedAt: undefined })),
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

function bindOf(line: ConfigLine, nullConnections: NullConnections): Bind {
  return {
    at: positionOf(line),
    address: line.words[1] ?? '',
    crt: valuesOf(line, 'crt'),
    crtLists: valuesOf(line, 'crt-list'),
    hasStrictSni: line.words.includes('strict-sni'),
    acceptsProxy: line.words.includes('accept-proxy'),
    alpn: line.words.includes('no-alpn') ? '' : valuesOf(line, 'alpn')[0],
    nullConnections,
    isForBothFamilies: line.words.includes('v4v6'),
    outOfReach: outOfReachBy(line),
  };
}

/** Connections of this host to itself come by `lo`, whatever their address. */
function outOfReachBy(line: ConfigLine): string | undefined {
  const [device] = valuesOf(line, 'interface');
  const [namespace] = valuesOf(line, 'namespace');
  if (namespace !== undefined) return `namespace ${namespace}`;
  return device === undefined || device === 'lo' ? undefined : `interface ${device}`;
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
