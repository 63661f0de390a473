/** What an operator does about each thing that is wrong: docs/runbook.md in one sentence. Pure. */
import type { StatusCode, StatusLine } from '../status/status-line.ts';

const CURES: Readonly<Record<StatusCode, string>> = {
  unreachable:
    'Check network, credentials and the address of the bucket: `pemfleet doctor` names what is missing.',
  'signing-key':
    'Bring the key back: `pemfleet key recover --recovery-key FILE`, or begin anew: `pemfleet key new`.',
  'manifest-unreadable':
    'Upgrade pemfleet where this was written by a newer one; else the next pass writes it anew.',
  'clock-off': 'Set the clock by NTP: `timedatectl set-ntp true`.',
  'host-error': 'On {host}: `pemfleet-agent doctor` names the cause and its cure.',
  expired: 'Renew it now: `pemfleet renew {certificate}`; then `pemfleet status` says which host lacks it.',
  'manifest-lost': 'Nothing: the next pass publishes again what it can. `pemfleet run` does it now.',
  missing:
    '`pemfleet plan --check --only {certificate}` asks everybody whom the order needs, and names the obstacle.',
  failing:
    '`pemfleet plan --check --only {certificate}` names the obstacle; the issuer tries again by itself.',
  'trusted-in-force':
    'Configure a CA that browsers trust (from staging: `pemfleet go-live`); or, if it is meant: `pemfleet run --replace-trusted --only {certificate}`.',
  overdue: 'See whether the issuer runs; `pemfleet renew {certificate}` renews it now.',
  behind:
    'On the hosts that are named: `pemfleet-agent doctor`. A host that is gone for good: remove its status.',
  condition: 'On {host}: `pemfleet-agent doctor` names the cause and its cure.',
  'issuer-silent': 'Start the issuer: `systemctl status pemfleet.timer`, or the log of its Lambda.',
  silent: 'On {host}: `systemctl status pemfleet-agent`. If the machine is gone for good, delete its status.',
  'missing-host': 'Start its agent, or take it out of `hosts.expected` in pemfleet.yaml.',
  'status-unreadable': 'Bring agent and issuer to the same version; on {host}: `pemfleet-agent doctor`.',
  'order-unreadable': 'The next pass begins this order anew; delete the record if it does not.',
  'replacement-unreadable':
    '`pemfleet replace --cancel` ends what cannot be read; ask for it again after that.',
  ending: 'Put it into pemfleet.yaml to have it renewed, or end it: `pemfleet withdraw {certificate}`.',
  replacement: '`pemfleet replace` shows how far it has come.',
  unproven: 'On {host}: `pemfleet-agent doctor` says which bind does not show it.',
  drift: 'On {host}: find out what writes there; the agent has put it right each time.',
  removal: 'On {host}: `pemfleet-agent doctor` says why the file cannot be removed.',
  'tombstones-unreadable':
    'Bring the object back from a copy of the bucket (an earlier version of it), or upgrade the issuer: without it nobody knows what must not come back.',
  hold: '`pemfleet resume {certificate}` ends it before its time.',
  'hold-broken':
    'Nothing if it is meant: what nears its end is renewed whatever holds it. `pemfleet resume {certificate}` ends the hold.',
  'hold-unreadable':
    'Until it can be read, nobody knows what is held: name it anew by `pemfleet hold`, or end it by `pemfleet resume`.',
  revocation: 'Nothing: it is revoked when every living host has proved its replacement.',
  'revocation-unreadable': 'Ask for it again: `pemfleet revoke`.',
  'held-back': 'Nothing: they are ordered when the CA has room. `pemfleet plan` says when.',
  'rolled-back': '`pemfleet history {certificate}` shows the versions.',
  arriving: 'Nothing: hosts take it at their next poll.',
  'no-host': 'Install the agent on a host: `pemfleet-agent doctor` says what it needs.',
  unconfigured: '`pemfleet withdraw {certificate}` ends it before it expires.',
  unlisted: 'Put it into pemfleet.yaml, or remove the file from {host}.',
  ended: 'Nothing: hosts give it up at their next poll.',
  left: 'Nothing: it comes back with its next report.',
  proofs: 'Nothing: the agent renews its proofs by itself.',
};

export function cureOf({ code, host, certificate }: StatusLine): string {
  // A command that names nothing would be wrong: people fill it in.
  return CURES[code]
    .replaceAll('{host}', host ?? 'the host')
    .replaceAll('{certificate}', certificate ?? 'NAME');
}
