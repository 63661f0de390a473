/** Judges the binds that serve the directory or the crt-list, by HAProxy's configuration. Pure. */
import { isAbsolute, join, normalize } from 'node:path';
import { toHandshake } from '#common/haproxy/handshake-address.ts';
import { DAY_MS } from '#common/time.ts';
import type { AgentConfig } from '../config/config.ts';
import { toHaproxy } from '../haproxy/path-map.ts';
import { isAtLeast } from '../haproxy/version.ts';
import { ProofPace } from '../proof/pace.ts';
import { type Finding, finding } from './finding.ts';
import type { Bind, HaproxyConfig } from './haproxy-config.ts';
import type { DirectoryFacts } from './look-directory.ts';

export function judgeBinds(
  config: HaproxyConfig | undefined,
  directory: DirectoryFacts,
  { haproxy }: AgentConfig,
): Finding[] {
  const binds = config?.binds.filter((bind) => servesOurs(bind, config, haproxy)) ?? [];
  const certificates = directory.entries
    .filter(({ facts, isRead }) => isRead && facts !== undefined)
    .map(({ name }) => name);
  const lax = binds
    .filter(({ hasStrictSni }) => !hasStrictSni)
    .map(({ at, address }) => {
      const fix = `add strict-sni to the bind (${at}), then reload HAProxy; or set haproxy.placeholder: true for the first start`;
      if (certificates.length === 0 && directory.code === undefined) {
        return finding(
          'directory-empty',
          `bind ${address} has no strict-sni and ${directory.path} has no certificate: HAProxy does not start`,
          fix,
        );
      }
      const seen = `bind ${address} has no strict-sni: unknown names get ${certificates[0] ?? 'the first file'}, which cannot be removed at run time, and HAProxy does not start with an empty directory`;
      return finding('strict-sni-missing', seen, fix);
    });
  return [...lax, ...judgeProxied(binds, haproxy)];
}

/** The agent finds out by itself, at the price of a connection that HAProxy logs as bad. */
function judgeProxied(binds: readonly Bind[], { handshake }: AgentConfig['haproxy']): Finding[] {
  const proxied = binds.filter(({ acceptsProxy }) => acceptsProxy);
  return proxied.flatMap((bind) => {
    const wanted = toHandshake(bind);
    const plain = wanted.replace(/^proxy@/, '');
    if (handshake.includes(wanted) || !handshake.includes(plain)) return [];
    const seen = `bind ${bind.address} (${bind.at}) has accept-proxy: it hangs up on a client without a PROXY header, and HAProxy logs the agent's first attempt`;
    return [
      finding(
        'handshake-proxy',
        seen,
        `haproxy.handshake: [${wanted}] in the agent's file, in the place of ${plain}`,
      ),
    ];
  });
}

function servesOurs(
  { crt, crtLists }: Bind,
  { crtBase = '/' }: HaproxyConfig,
  { certsDir, crtListFile, crtList, paths }: AgentConfig['haproxy'],
): boolean {
  const pathOf = (text: string) =>
    normalize(isAbsolute(text) ? text : join(crtBase, text)).replace(/\/+$/, '');
  const wanted = pathOf(toHaproxy(crtListFile ?? certsDir, paths));
  const names = crtListFile === undefined ? crt : crtLists;
  return names.some((name) => name === crtList || pathOf(name) === wanted);
}

/**
 * What the handshakes that prove certificates leave behind in HAProxy: lines of its log, counts by source.
 * @param certificates that are proved on each bind
 */
export function judgeProofs(
  config: HaproxyConfig | undefined,
  certificates: number,
  version: string,
  { haproxy: { handshake }, watch: { proveWithinMs } }: AgentConfig,
): Finding[] {
  const proved = config?.binds.filter((bind) => handshake.includes(toHandshake(bind))) ?? [];
  const spanMs = new ProofPace().spanOf(certificates * handshake.length, proveWithinMs);
  const aDay = Math.ceil((certificates * DAY_MS) / spanMs);
  return proved.flatMap((bind) => [
    ...judgeLines(bind, aDay, version),
    ...judgeCounts(bind, Math.ceil((certificates * 10_000) / spanMs)),
  ]);
}

/** Over HTTP/2 a proof takes its leave without a stream, and HAProxy logs nothing (wire/farewell.ts). */
function judgeLines({ at, address, alpn, nullConnections }: Bind, aDay: number, version: string): Finding[] {
  const speaksHttp2 = alpn === undefined ? isAtLeast(version, 3, 0) : alpn.split(',').includes('h2');
  if (!nullConnections.areLogged || speaksHttp2) return [];
  const seen = `bind ${address} (${at}) has neither "option dontlognull" nor HTTP/2: each proof leaves a line "<BADREQ>" in HAProxy's log, ${aDay} a day`;
  return [
    finding('proofs-logged', seen, 'option dontlognull in its frontend or its defaults, then reload HAProxy'),
  ];
}

function judgeCounts({ address, nullConnections: { countedAt } }: Bind, inTenSeconds: number): Finding[] {
  if (countedAt === undefined) return [];
  const seen = `${countedAt} counts connections to bind ${address} by their source, those of the agent too: ${inTenSeconds} in 10 s from this host's own address, after a reload up to 39`;
  return [
    finding(
      'proofs-counted',
      seen,
      `a limit below that must not deny this host's own address: acl is_self src 127.0.0.0/8 ::1`,
    ),
  ];
}
