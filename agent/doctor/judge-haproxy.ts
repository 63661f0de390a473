/** Judges HAProxy itself: its socket, its version, and the lines of its configuration. Pure. */

import { posix } from 'node:path';
import { quoted } from '#common/cli/quoted.ts';
import { printable } from '#common/printable.ts';
import type { AgentConfig } from '../config/config.ts';
import { toHaproxy } from '../haproxy/path-map.ts';
import { isMasterSocket, socketPathOf } from '../haproxy/socket.ts';
import { isVersion, reasonTooOld } from '../haproxy/version.ts';
import { type Finding, type FindingId, finding, octal } from './finding.ts';
import type { HaproxyConfig } from './haproxy-config.ts';
import type { HaproxyFacts } from './look-haproxy.ts';

export function judgeHaproxy(facts: HaproxyFacts, config: AgentConfig): Finding[] {
  return [
    ...judgeSocket(facts, config),
    ...judgeProcess(facts, config),
    ...judgeAcme(facts, config),
    ...(facts.config === undefined ? judgeUnread(facts, config) : judgeConfig(facts.config, config)),
  ];
}

function judgeSocket(facts: HaproxyFacts, { haproxy: { statsSocket } }: AgentConfig): Finding[] {
  const line = facts.config?.statsSockets.find(({ path }) => path === statsSocket);
  const where = line ? ` (${line.at})` : '';
  const fix = isMasterSocket(statsSocket)
    ? `start HAProxy with -W -S ${socketPathOf(statsSocket)},mode,660,group,haproxy,level,admin`
    : `in HAProxy's global section${where}: stats socket ${statsSocket} mode 660 group haproxy level admin; then reload HAProxy`;
  if (facts.code !== undefined) return [socketFailure(facts, statsSocket, fix)];
  const { socketMode = 0 } = facts;
  const findings: Finding[] = [];
  if (facts.certificatesCode === 'ERR_RUNTIME_NOT_ADMIN') {
    findings.push(
      finding('socket-not-admin', `${statsSocket} has level ${line?.level ?? 'operator or user'}`, fix),
    );
  } else if (facts.certificatesCode !== undefined) {
    findings.push(
      finding(
        'socket-silent',
        `${statsSocket} does not list certificates (${facts.certificatesCode})`,
        SILENT_FIX,
      ),
    );
  }
  if ((socketMode & 0o002) !== 0) {
    findings.push(
      finding(
        'socket-open-to-all',
        `every user of this host may command HAProxy: ${statsSocket} has mode ${octal(socketMode)}`,
        fix,
      ),
    );
  }
  return findings;
}

const SILENT_FIX =
  'is HAProxy overloaded or stopping, or has it reached its "stats maxconn"? systemctl status haproxy';

function socketFailure({ code = '', config }: HaproxyFacts, socket: string, socketLine: string): Finding {
  const otherSocket = config?.statsSockets.find(({ path }) => path !== socket)?.path;
  const useOther =
    otherSocket !== undefined
      ? `haproxy.statsSocket: ${otherSocket} in the agent's file, or ${socketLine}`
      : undefined;
  const failures: Record<string, [FindingId, string, string]> = {
    ERR_RUNTIME_SOCKET_MISSING: [
      'socket-missing',
      'does not exist',
      useOther ?? `systemctl start haproxy; if it runs, ${socketLine}`,
    ],
    ERR_RUNTIME_SOCKET_REFUSED: [
      'socket-refused',
      'has no listener: HAProxy is not running',
      'systemctl start haproxy',
    ],
    ERR_RUNTIME_SOCKET_DENIED: [
      'socket-denied',
      'refuses this user',
      `${socketLine}; usermod -aG haproxy pemfleet`,
    ],
    ERR_RUNTIME_SHORT_ANSWER: [
      'socket-silent',
      'answers otherwise than HAProxy does, or not to the end (ERR_RUNTIME_SHORT_ANSWER)',
      `is it HAProxy's? ${useOther ?? socketLine}; if it is: ${SILENT_FIX}`,
    ],
  };
  const [id, what, fix] = failures[code] ?? [
    'socket-silent' as const,
    `does not answer (${code})`,
    SILENT_FIX,
  ];
  return finding(id, `${socket} ${what}`, fix);
}

function judgeProcess(facts: HaproxyFacts, { haproxy: { statsSocket } }: AgentConfig): Finding[] {
  const { version, isStopping, transaction } = facts;
  const findings: Finding[] = [];
  const tooOld = reasonTooOld(version);
  if (version !== '' && tooOld !== undefined) {
    findings.push(finding('haproxy-too-old', tooOld, 'upgrade HAProxy to 2.6 or later'));
  } else if (version !== '' && !isVersion(version)) {
    const seen = `HAProxy calls itself ${version}, which names no version: 2.6, 3.0, 3.2 and 3.4 are tested`;
    findings.push(
      finding('haproxy-untested', seen, 'make sure that it is 2.6 or later; the agent treats it as 2.6'),
    );
  }
  if (isStopping) {
    findings.push(
      finding(
        'haproxy-stopping',
        `an old worker answers on ${statsSocket}`,
        'wait for the reload to end; systemctl restart haproxy if it does not',
      ),
    );
  }
  if (transaction !== undefined) {
    const command = `${isMasterSocket(statsSocket) ? '@1 ' : ''}abort ssl cert ${transaction}`;
    const abort = `echo ${quoted(command)} | socat stdio ${quoted(socketPathOf(statsSocket))}`;
    findings.push(
      finding(
        'haproxy-transaction',
        `a transaction on ${transaction} is open: another program is changing certificates, or died while it did`,
        abort,
      ),
    );
  }
  return findings;
}

/** HAProxy issues files of ours by itself. */
function judgeAcme({ acme }: HaproxyFacts, { haproxy: { certsDir, paths } }: AgentConfig): Finding[] {
  const directory = posix.normalize(toHaproxy(certsDir, paths));
  return [...acme]
    .filter(([filename]) => posix.dirname(posix.normalize(filename)) === directory)
    .map(([filename, section]) =>
      finding(
        'haproxy-acme',
        `two issuers: HAProxy's acme section ${printable(section)} issues ${printable(filename)}, too`,
        `take "acme ${printable(section)}" out of its crt-list line or bind and reload HAProxy; or take the certificate out of pemfleet.yaml`,
      ),
    );
}

function judgeUnread({ configUnread }: HaproxyFacts, { haproxy: { name } }: AgentConfig): Finding[] {
  if (configUnread === undefined) return [];
  const { file, code } = configUnread;
  const orName = ', or name the file: pemfleet-agent doctor --haproxy-config FILE';
  const seen = `cannot read ${file} (${code}), so binds, buffer and OCSP update were not checked`;
  return [finding('haproxy-config-unread', seen, `run doctor as root${name === undefined ? orName : ''}`)];
}

function judgeConfig(config: HaproxyConfig, { haproxy: { bufsize } }: AgentConfig): Finding[] {
  const theirs = config.bufsize ?? 16_384;
  const findings: Finding[] = [];
  if (bufsize > theirs) {
    const seen = `haproxy.bufsize is ${bufsize}, but HAProxy's tune.bufsize is ${theirs}: HAProxy 2.6 hangs on commands of a size in between`;
    findings.push(
      finding(
        'bufsize-differs',
        seen,
        `haproxy.bufsize: ${theirs} in the agent's file, or tune.bufsize ${bufsize} in HAProxy's global section`,
      ),
    );
  }
  for (const at of config.ocspUpdates) {
    const seen = `${at} makes HAProxy fetch OCSP responses, which pemfleet already does where a CA still has OCSP`;
    findings.push(finding('ocsp-update', seen, `remove ocsp-update from ${at}, then reload HAProxy`));
  }
  return findings;
}
