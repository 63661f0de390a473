/**
 * Whether the agent's user gets to HAProxy's stats socket, and what gives it the right without a word in haproxy.cfg: its group, now and at
 * each start of HAProxy. A reload keeps the socket as it is.
 */
import { existsSync, statSync } from 'node:fs';
import { type Account, groupNamed, groupsWith } from '#common/user/accounts.ts';
import { type HaproxyConfiguration, Unplannable } from '../../init/plan/haproxy-config.ts';
import { planStatsSocket } from '../../init/plan/stats-socket.ts';

export interface SocketRight {
  path: string;
  /** What is to be changed; absent: the agent's user gets to it. */
  gid?: number;
  group?: string;
}

/** @throws Unplannable where there is no socket of level admin */
export function socketRight(config: HaproxyConfiguration, user: Account): SocketRight {
  const { path, edits } = planStatsSocket(config, { group: undefined, hasDirectory: existsSync });
  if (edits.length > 0) {
    throw new Unplannable(
      `wanted a stats socket of level admin, by which the agent loads certificates without a reload, saw none in ${config.texts[0]?.file}: adopt changes no line there; put "stats socket ${path} mode 660 level admin" into its global section, reload HAProxy once, then adopt again`,
    );
  }
  const groups = [user.gid, ...groupsWith(user.name ?? ''), groupNamed('haproxy')];
  const stats = statSync(path, { throwIfNoEntry: false });
  const isOpen =
    user.uid === 0 ||
    (stats !== undefined &&
      ((stats.uid === user.uid && (stats.mode & 0o200) !== 0) ||
        (groups.includes(stats.gid) && (stats.mode & 0o020) !== 0) ||
        (stats.mode & 0o002) !== 0));
  if (isOpen) return { path };
  const group = ['haproxy', user.name ?? ''].find((name) => name !== '' && groupNamed(name) !== undefined);
  const gid = group === undefined ? user.gid : groupNamed(group);
  return { path, gid: gid ?? user.gid, group: group ?? String(user.gid) };
}
