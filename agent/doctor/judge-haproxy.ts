/** Judges what was seen of HAProxy: socket, version, and the lines of its configuration. Pure. */
import type { AgentConfig } from '../config/config.ts';
import { isMasterSocket, socketPathOf } from '../haproxy/socket.ts';
import { type Finding, type FindingId, finding, quoted } from './finding.ts';
import type { HaproxyConfig } from './haproxy-config.ts';
import type { SeenHaproxy } from './look-haproxy.ts';

/** The agent needs `new ssl cert`; what was tried begins with 2.6. */
const OLDEST = '2.2';
const OLDEST_TESTED = '2.6';

export function judgeHaproxy(seen: SeenHaproxy, config: AgentConfig): Finding[] {
  return [
    ...judgeSocket(seen, config),
    ...judgeProcess(seen, config),
    ...(seen.config === undefined ? unread(seen, config) : judgeConfig(seen.config, config)),
  ];
}

function judgeSocket(seen: SeenHaproxy, { haproxy: { statsSocket } }: AgentConfig): Finding[] {
  const line = seen.config?.statsSockets.find(({ path }) => path === statsSocket);
  const where = line ? ` (${line.at})` : '';
  const right = isMasterSocket(statsSocket)
    ? `start HAProxy with -W -S ${socketPathOf(statsSocket)},mode,660,group,haproxy,level,admin`
    : `in HAProxy's global section${where}: stats socket ${statsSocket} mode 660 group haproxy level admin; then reload HAProxy`;
  if (seen.code !== undefined) return [unreachable(seen, statsSocket, right)];
  const found: Finding[] = [];
  if (seen.certificatesCode === 'ERR_RUNTIME_NOT_ADMIN')
    found.push(
      finding('socket-not-admin', `${statsSocket} has level ${line?.level ?? 'operator or user'}`, right),
    );
  else if (seen.certificatesCode !== undefined)
    found.push(
      finding(
        'socket-silent',
        `${statsSocket} does not list certificates (${seen.certificatesCode})`,
        SILENT,
      ),
    );
  if (((seen.socketMode ?? 0) & 0o002) !== 0)
    found.push(
      finding(
        'socket-open-to-all',
        `every user of this host may command HAProxy: ${statsSocket} has mode ${octal(seen.socketMode)}`,
        right,
      ),
    );
  return found;
}

const SILENT =
  'is HAProxy overloaded or stopping, or has it reached its "stats maxconn"? systemctl status haproxy';

function unreachable({ code = '', config }: SeenHaproxy, socket: string, right: string): Finding {
  const others = config?.statsSockets.map(({ path }) => path).filter((path) => path !== socket) ?? [];
  const other =
    others.length > 0 ? `haproxy.statsSocket: ${others[0]} in the agent's file, or ${right}` : undefined;
  const known: Record<string, [FindingId, string, string]> = {
    ERR_RUNTIME_SOCKET_MISSING: [
      'socket-missing',
      'does not exist',
      other ?? `systemctl start haproxy; if it runs, ${right}`,
    ],
    ERR_RUNTIME_SOCKET_REFUSED: [
      'socket-refused',
      'has no listener: HAProxy is not running',
      'systemctl start haproxy',
    ],
    ERR_RUNTIME_SOCKET_DENIED: [
      'socket-denied',
      'refuses this user',
      `${right}; usermod -aG haproxy pemfleet`,
    ],
  };
  const [id, what, fix] = known[code] ?? ['socket-silent' as const, `does not answer (${code})`, SILENT];
  return finding(id, `${socket} ${what}`, fix);
}

function judgeProcess(seen: SeenHaproxy, { haproxy: { statsSocket } }: AgentConfig): Finding[] {
  const { version, isStopping, transaction } = seen;
  const found: Finding[] = [];
  if (version !== '' && isBefore(version, OLDEST))
    found.push(
      finding(
        'haproxy-too-old',
        `HAProxy ${version} cannot add certificates at run time`,
        'upgrade HAProxy to 2.6 or newer',
      ),
    );
  else if (version !== '' && isBefore(version, OLDEST_TESTED))
    found.push(
      finding(
        'haproxy-untested',
        `HAProxy ${version}: 2.6, 3.0 and 3.2 are tested`,
        'upgrade HAProxy to 2.6 or newer',
      ),
    );
  if (isStopping)
    found.push(
      finding(
        'haproxy-stopping',
        `an old worker answers on ${statsSocket}`,
        'wait for the reload to end; systemctl restart haproxy if it does not',
      ),
    );
  if (transaction !== undefined) {
    const command = `${isMasterSocket(statsSocket) ? '@1 ' : ''}abort ssl cert ${transaction}`;
    const abort = `echo ${quoted(command)} | socat stdio ${quoted(socketPathOf(statsSocket))}`;
    found.push(
      finding(
        'haproxy-transaction',
        `a transaction on ${transaction} is open: another program is changing certificates, or died while it did`,
        abort,
      ),
    );
  }
  return found;
}

function unread({ configUnread }: SeenHaproxy, { haproxy: { name } }: AgentConfig): Finding[] {
  if (configUnread === undefined) return [];
  const { file, code } = configUnread;
  const orName = ', or name the file: pemfleet-agent doctor --haproxy-config FILE';
  const what = `cannot read ${file} (${code}), so binds, buffer and OCSP update were not checked`;
  return [finding('haproxy-config-unread', what, `run doctor as root${name === undefined ? orName : ''}`)];
}

function judgeConfig(seen: HaproxyConfig, { haproxy: { bufsize } }: AgentConfig): Finding[] {
  const theirs = seen.bufsize ?? 16_384;
  const found: Finding[] = [];
  if (bufsize > theirs) {
    const what = `haproxy.bufsize is ${bufsize}, but HAProxy's tune.bufsize is ${theirs}: HAProxy 2.6 hangs on commands of a size in between`;
    found.push(
      finding(
        'bufsize-differs',
        what,
        `haproxy.bufsize: ${theirs} in the agent's file, or tune.bufsize ${bufsize} in HAProxy's global section`,
      ),
    );
  }
  for (const at of seen.ocspUpdates) {
    const what = `${at} makes HAProxy fetch OCSP responses, which pemfleet already does where a CA still has OCSP`;
    found.push(finding('ocsp-update', what, `remove ocsp-update from ${at}, then reload HAProxy`));
  }
  return found;
}

function isBefore(version: string, than: string): boolean {
  const [a = 0, b = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [c = 0, d = 0] = than.split('.').map(Number);
  return a < c || (a === c && b < d);
}

export const octal = (mode = 0) => mode.toString(8).padStart(4, '0');
