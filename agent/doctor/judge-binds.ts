/** Judges the binds that serve the directory, as HAProxy's configuration has them. Pure. */
import { isAbsolute, join, normalize } from 'node:path';
import type { AgentConfig } from '../config/config.ts';
import { toHaproxy } from '../haproxy/path-map.ts';
import { type Finding, finding } from './finding.ts';
import type { Bind, HaproxyConfig } from './haproxy-config.ts';
import type { SeenDirectory } from './look-directory.ts';

export function judgeBinds(
  config: HaproxyConfig | undefined,
  directory: SeenDirectory,
  { haproxy }: AgentConfig,
): Finding[] {
  const binds = config?.binds.filter((bind) => isServing(bind, config, haproxy)) ?? [];
  const found = directory.entries
    .filter(({ facts, isRead }) => isRead && facts !== undefined)
    .map(({ name }) => name);
  return binds
    .filter(({ hasStrictSni }) => !hasStrictSni)
    .map(({ at, address }) => {
      const fix = `add strict-sni to the bind (${at}), then reload HAProxy; or set haproxy.placeholder: true for the first start`;
      if (found.length === 0 && directory.code === undefined)
        return finding(
          'directory-empty',
          `bind ${address} has no strict-sni and ${directory.path} has no certificate: HAProxy does not start`,
          fix,
        );
      const what = `bind ${address} has no strict-sni: unknown names get ${found[0] ?? 'the first file'}, which cannot be removed at run time, and HAProxy does not start with an empty directory`;
      return finding('strict-sni-missing', what, fix);
    });
}

function isServing(
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
