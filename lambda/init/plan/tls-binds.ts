/** The binds that serve TLS today, and how the directory of pemfleet's certificates gets on them. */
import { isAbsolute, join, normalize } from 'node:path';
import { wordSpans } from '#common/haproxy/config-lines.ts';
import { toHandshake } from '#common/haproxy/handshake-address.ts';
import { coversName } from '../../config/identifier.ts';
import type { Ports } from './challenge-lines.ts';
import { endOfFile, type HaproxyConfiguration, type PlanPart, Unplannable } from './haproxy-config.ts';
import { type BindLine, bindsOf, hasPort, isFront, modeOf, type Section, settingOf } from './sections.ts';
import { rawLine } from './stats-socket.ts';
import { insertion, replacement } from './text-edit.ts';

/** A certificate that a bind names today: in a file of its own, a directory or a crt-list. */
export interface ServedCertificate {
  /** What the bind names: FILE, DIR or LIST. */
  source: string;
  file: string;
  names: readonly string[];
  /** Nobody's browser takes it: made by a package, expired. */
  isPlaceholder: boolean;
}

export interface BindPlan extends PlanPart {
  /** For `haproxy.handshake` of the agent. */
  handshake: readonly string[];
}

export interface BindPlanOptions {
  /** pemfleet's own. */
  directory: string;
  /** Names that pemfleet gets certificates for. */
  names: readonly string[];
  /** By what binds name. */
  served: readonly ServedCertificate[];
  /** Of a bind of its own, where today's certificates have the same names. */
  proofPort: number;
  ports: Ports;
}

export function planBinds(config: HaproxyConfiguration, options: BindPlanOptions): BindPlan {
  const binds = config.sections.filter(isFront).flatMap(bindsOf);
  const tls = binds.filter(({ isTls }) => isTls);
  if (tls.length === 0) return firstBind(config, binds, options);
  const holding = tls.filter((bind) => sourcesOf(bind, config).includes(options.directory));
  if (holding.length > 0) return { edits: [], notes: [], handshake: holding.flatMap(handshakeAddressesOf) };
  const overlaps = [...new Set(tls.flatMap((bind) => overlapOf(bind, config, options)))];
  if (overlaps.length > 0) return proofBind(tls, options, overlaps);
  return besides(config, tls, options);
}

/** Each bind gets the directory behind what it has: its default certificate stays, and so does what it serves. */
function besides(
  config: HaproxyConfiguration,
  tls: readonly BindLine[],
  { directory }: BindPlanOptions,
): BindPlan {
  const edits = tls.map(({ section: { file }, line }) =>
    replacement(file, line.number - 1, withDirectory(rawLine(config, file, line.number), directory, config)),
  );
  return { edits, notes: [], handshake: tls.flatMap(handshakeAddressesOf) };
}

function withDirectory(raw: string, directory: string, { env }: HaproxyConfiguration): string {
  const spans = wordSpans(raw, env);
  const last = spans.findLastIndex(({ word }) => word === 'crt' || word === 'crt-list');
  const ssl = spans.findIndex(({ word }) => word === 'ssl');
  const end = spans[last < 0 ? ssl : last + 1]?.end ?? raw.length;
  const strict = last < 0 ? ' strict-sni' : '';
  return `${raw.slice(0, end)} crt ${directory}${strict}${raw.slice(end)}`;
}

/**
 * Of two certificates of a name HAProxy serves one; which one changes with each update, and an exact name beats a wildcard. Until the new
 * ones are good, visitors must not meet them: a bind of its own proves them.
 */
function proofBind(
  tls: readonly BindLine[],
  { directory, proofPort }: BindPlanOptions,
  overlaps: readonly string[],
): BindPlan {
  const [first] = tls;
  if (first === undefined) throw new TypeError('no bind');
  const { file, indent } = first.section;
  const address = `127.0.0.1:${proofPort}`;
  const lines = [
    `${indent}# pemfleet: proves the new certificates while visitors get today's; "pemfleet init --switch" moves them to the binds above`,
    `${indent}bind ${address} ssl crt ${directory} strict-sni`,
  ];
  const names = overlaps.length > 5 ? `${overlaps.slice(0, 5).join(', ')} …` : overlaps.join(', ');
  return {
    edits: [insertion(file, first.line.number, lines)],
    notes: [
      `today's certificates have the same names (${names}): visitors go on getting them, and pemfleet's are proved on ${address}; when "pemfleet go-live" is done and "pemfleet status" is green, "pemfleet init --switch" puts them in their place`,
    ],
    handshake: [address],
  };
}

/** Names to come that a bind serves today. */
function overlapOf(bind: BindLine, config: HaproxyConfiguration, options: BindPlanOptions): string[] {
  const sources = sourcesOf(bind, config);
  const today = options.served.filter(
    ({ source, isPlaceholder }) => sources.includes(source) && !isPlaceholder,
  );
  const held = today.flatMap(({ names }) => names);
  return options.names.filter((name) => held.some((one) => coversName(one, name) || coversName(name, one)));
}

/** What a bind names as `crt` or `crt-list`, in the order of its line; paths are absolute, without a slash at the end. */
export function sourcesOf({ line }: BindLine, { sections }: HaproxyConfiguration): string[] {
  const global = sections.filter(({ kind }) => kind === 'global');
  const base =
    global.map((section) => settingOf(section, 'crt-base')?.[0]).find((one) => one !== undefined) ?? '/';
  const pathOf = (text: string) =>
    normalize(isAbsolute(text) ? text : join(base, text)).replace(/(.)\/+$/, '$1');
  return line.words.flatMap((word, index) => {
    const value = line.words[index + 1] ?? '';
    if (word === 'crt') return [pathOf(value)];
    return word === 'crt-list' ? [normalize(value)] : [];
  });
}

const ASKABLE = /^(ipv[46]@)?(\[[0-9a-f:.]+\]|[0-9a-z.:*-]*):\d+(-\d+)?$/i;

/** Addresses at which this host reaches it over TCP, or over a socket. */
export function handshakeAddressesOf({ line, addresses }: BindLine): string[] {
  if (line.words.includes('namespace')) return [];
  const acceptsProxy = line.words.includes('accept-proxy');
  const isForBothFamilies = line.words.includes('v4v6');
  return addresses
    .filter((address) => ASKABLE.test(address) || /^(unix@)?\/|^abns@/.test(address))
    .map((address) => toHandshake({ address, acceptsProxy, isForBothFamilies }));
}

/** HAProxy serves no TLS yet. */
function firstBind(
  config: HaproxyConfiguration,
  binds: readonly BindLine[],
  { directory, ports }: BindPlanOptions,
): BindPlan {
  const passing = binds.find(({ addresses }) => addresses.some((address) => hasPort(address, ports.https)));
  if (passing !== undefined) {
    const { section, line } = passing;
    throw new Unplannable(
      `wanted a bind that serves TLS, saw port ${ports.https} passed through (${line.file}:${line.number}, ${section.kind} ${section.name} in mode ${modeOf(section)}): the servers behind it have the certificates; give a bind of this HAProxy "ssl crt ${directory} strict-sni", or run pemfleet where TLS ends`,
    );
  }
  const web = binds.find(
    ({ section, addresses }) =>
      modeOf(section) === 'http' && addresses.some((address) => hasPort(address, ports.http)),
  );
  const isForBoth = web?.addresses.some((one) => /^(\[::\]|::):/.test(one)) ?? false;
  const options = `ssl crt ${directory} strict-sni alpn h2,http/1.1`;
  const bind = isForBoth ? `bind :::${ports.https} v4v6 ${options}` : `bind :${ports.https} ${options}`;
  const handshake = [`127.0.0.1:${ports.https}`];
  if (web !== undefined && !redirectsAll(web.section)) {
    const { file, indent } = web.section;
    const comment = `${indent}# pemfleet: HTTPS, with every certificate of the directory`;
    return { edits: [insertion(file, web.line.number, [comment, `${indent}${bind}`])], notes: [], handshake };
  }
  return { edits: [ownFrontend(config, bind, web?.section)], notes: [], handshake };
}

/** To HTTPS, for the most part: HTTPS itself would turn in a circle. */
function redirectsAll(section: Section): boolean {
  return section.lines.some(
    ({ words }) =>
      (words[0] === 'redirect' || (words[0] === 'http-request' && words[1] === 'redirect')) &&
      words.includes('https') &&
      !words.includes('ssl_fc'),
  );
}

function ownFrontend(config: HaproxyConfiguration, bind: string, web: Section | undefined) {
  const backends = config.sections.filter(({ kind }) => kind === 'backend');
  const named =
    (web && settingOf(web, 'default_backend')?.[0]) ?? backends.find((one) => modeOf(one) === 'http')?.name;
  const backend = named === undefined ? '    # default_backend NAME' : `    default_backend ${named}`;
  const file = web?.file ?? config.texts.at(-1)?.file ?? '';
  return insertion(file, endOfFile(config, file), [
    '',
    '# pemfleet: HTTPS, with every certificate of the directory',
    'frontend pemfleet_https',
    `    ${bind}`,
    '    mode http',
    '    timeout client 30s',
    backend,
  ]);
}
