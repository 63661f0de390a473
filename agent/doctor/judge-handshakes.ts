/** Judges what a handshake has failed on. Pure. */
import { codeOf, messageOf } from '#contract/errors.ts';
import { Unprovable, type UnprovableReason } from '../wire/unprovable.ts';
import { type Finding, finding, listed } from './finding.ts';

export function handshakeFailure(address: string, error: unknown, binds: readonly string[]): Finding {
  const { alert } = error as { alert?: number };
  const hints: Record<string, string> = {
    ERR_HANDSHAKE_CERTIFICATE:
      'what the finding says; docs/runbook.md#the-wire-shows-another-certificate; then pemfleet-agent sync',
    ERR_HANDSHAKE_REFUSED: HINTS_BY_ALERT[alert ?? 0] ?? NO_TLS,
    ERR_HANDSHAKE_CHAIN: 'what the finding says; then pemfleet-agent sync',
  };
  const listeners = binds.length > 0 ? `HAProxy binds ${listed(binds)}` : 'ss -ltnp shows what listens';
  const fix =
    hints[codeOf(error)] ??
    `haproxy.handshake in the agent's file must name HAProxy's TLS binds: ${listeners}`;
  return finding(
    'handshake-failed',
    codeOf(error).startsWith('ERR_') ? messageOf(error) : `${address}: ${codeOf(error)}`,
    fix,
  );
}

/** No handshake can show it there: what HAProxy shows of the file counts. */
export function unprovenFinding(address: string, error: unknown): Finding {
  const reason = error instanceof Unprovable ? error.reason : 'no-common-cipher';
  const seen = `nothing can be proved at ${address} (${reason}): ${error instanceof Unprovable ? error.detail : messageOf(error)}`;
  return finding('handshake-unproven', seen, UNPROVEN_FIXES[reason]);
}

const UNPROVEN_FIXES: Readonly<Record<UnprovableReason, string>> = {
  'not-here':
    "nothing, if the address moves between hosts (VRRP): the host that holds it proves it; else name HAProxy's own addresses in haproxy.handshake",
  'not-askable':
    'haproxy.handshake must name an address to which the user of the agent may connect (user, group, mode of the bind)',
  'client-certificate': 'nothing, or name another bind of the same directory in haproxy.handshake',
  'no-common-cipher':
    "nothing, if this bind is for certificates with another kind of key; else its ciphers, ssl-min-ver and ssl-max-ver must suit the certificate's kind of key",
  'no-name':
    'give the certificate a name of its own, or name the other file in its crt-list line by its filters',
};

const NO_TLS =
  'haproxy.handshake must name binds with "ssl", those with accept-proxy as proxy@HOST:PORT; HAProxy\'s log says more';
const NOT_NAMED = 'the bind on that address must name the directory as crt; then pemfleet-agent sync';
const HINTS_BY_ALERT: Readonly<Record<number, string>> = {
  40: "give the bind ciphers, TLS versions and curves for the certificate's kind of key, or order the other kind (keyType); HAProxy's log says more",
  70: 'ssl-min-ver and ssl-max-ver of the bind must allow TLS 1.2 or 1.3',
  112: NOT_NAMED,
};
