/** HAProxy in a container or a chroot has other names for the same files. */

export interface PathMap {
  /** A directory as the agent sees it. */
  host: string;
  /** The same directory as HAProxy's configuration names it. */
  haproxy: string;
}

export function toHaproxy(path: string, map: PathMap | undefined): string {
  return map === undefined ? path : (moved(path, map.host, map.haproxy) ?? path);
}

/** @returns undefined for a name outside of the mapped directory, which the agent cannot see */
export function toHost(name: string, map: PathMap | undefined): string | undefined {
  return map === undefined ? name : moved(name, map.haproxy, map.host);
}

function moved(path: string, from: string, to: string): string | undefined {
  const [source, target] = [from, to].map((directory) => directory.replace(/\/+$/, '')) as [string, string];
  return path === source || path.startsWith(`${source}/`)
    ? `${target}${path.slice(source.length)}`
    : undefined;
}
