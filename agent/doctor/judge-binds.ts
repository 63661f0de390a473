/** Judges the binds that serve the directory or the crt-list, by HAProxy's configuration. Pure. */
import { isAbsolute, join, normalize } from 'node:path';
import type { AgentConfig } from '../config/config.ts';
import { toHaproxy } from '../haproxy/path-map.ts';
import { type Finding, finding } from './finding.ts';
import { type Bind, type HaproxyConfig, toHandshake } from './haproxy-config.ts';
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
