/** What `pemfleet` prints for people, and its exit statuses. */
import { printable } from '#common/printable.ts';
import { table } from '#common/table.ts';
import { minuteText } from '#common/time.ts';
import { type WakeProblem, wakeProblemText } from '../config/schedule.ts';
import {
  type DomainBurst,
  type FleetLoss,
  isFailing,
  isHeldBack,
  type Outcome,
  type RevocationOutcome,
  type UnconfiguredOutcome,
} from '../outcome.ts';

/** Names in one line. */
const MAX_NAMED = 20;

/** docs/cli.md; 64 and 78 as in sysexits(3). */
export const EXIT = {
  ok: 0,
  failed: 1,
  unknown: 2,
  partlyFailed: 3,
  usage: 64,
  config: 78,
  interrupted: 130,
} as const;

export const USAGE = `pemfleet orders and renews certificates, and publishes them for HAProxy hosts.

  pemfleet init                       find HAProxy, write pemfleet.yaml and agent.yaml, show the lines that HAProxy lacks; asks
                                      on a terminal, or: --email, --name NAME[,NAME…], --ca, --challenge, --bucket, --yes
  pemfleet init --apply               put the lines in, after haproxy -c, with one reload; --undo takes the last run back
  pemfleet adopt --yes                take over what HAProxy serves today from certbot, acme.sh, a directory or HAProxy itself (--from,
                                      --dir): accounts and certificates, no order, no change of HAProxy's configuration; --disable-old
                                      disables the timer of the former client, --undo puts everything back
  pemfleet go-live                    change from the CA's staging to production, once status is green
  pemfleet run                        one pass: order what is due, publish it
  pemfleet run --dry-run              (or: pemfleet plan) show what a pass would do; change nothing
  pemfleet plan --check               ask DNS, CAA, port 80, zones and the CA whether orders can succeed; order nothing
  pemfleet plan --days 90             show what will be ordered when, why and at which CA, with the limits left
  pemfleet run --force-renewal --only www.example.com
                                      renew a certificate that is not due
  pemfleet status                     show what is wrong, what is published, and what each host serves
  pemfleet status --html FILE         write the same as one page to look at, without external parts; - is standard output
  pemfleet notify                     tell what has changed, by the channels of the configuration, and send what waits
  pemfleet notify --test [CHANNEL…]   send a message that says it is a test, and show what came back
  pemfleet status --watch             show it live; --interval 10s; --json with it: a line for each look
  pemfleet status --page              print a signed link to the page in the bucket (statusPage: true); --expires-in 1h
  pemfleet doctor [--fix]             check everything that the issuer needs on this machine, and say how to fix it; --fix, as root:
                                      mend what can be mended safely, --dry-run with it: only name the changes
  pemfleet probe [NAME…|--all]        ask the DNS for every address of every name, and show what clients get there
  pemfleet respond --listen 127.0.0.1:8402
                                      answer HTTP-01 challenges, for installations without Lambda
  pemfleet revoke www.example.com --reason keyCompromise
                                      publish a replacement with a fresh key, and revoke the old certificate once hosts have
                                      proved it; --now: at once, for a stolen key; --cancel: not at all
  pemfleet replace --all|--ca URL|--issued-before TIME|--serial-file FILE [--reason TEXT]
                                      replace many certificates before they are due, the most urgent first; --dry-run, --yes
  pemfleet replace [--cancel]         show how far that has come, and when it ends; --cancel ends it
  pemfleet drill [--all|--ca …]       show when the last certificate would be replaced at each CA, and what holds it back
  pemfleet timer                      print the systemd timer that fits the lifetimes of the certificates
  pemfleet withdraw old.example.com   take a certificate off the hosts that is published and not configured any more
                                      (--stolen: and delete its keys at once); --reason TEXT
  pemfleet history www.example.com    show its versions: when, why, from which CA, served by whom until when
  pemfleet renew www.example.com…     renew certificates that are not due; --reason TEXT
  pemfleet rollback www.example.com [--to SERIAL] --reason TEXT
                                      publish an earlier version again
  pemfleet hold www.example.com|--fleet NAME [--until TIME] --reason TEXT
                                      do not renew it, or publish nothing new to the fleet; without names: show what is held
  pemfleet resume www.example.com|--fleet NAME
                                      end that
  pemfleet import FILE… [--name NAME]  publish a certificate that was bought or is of an internal CA: PEM files in any order,
                                      or PKCS#12; --passphrase-file FILE, --passphrase-fd N, --fleet F, --force, --reason TEXT
  pemfleet export NAME --fullchain FILE --key FILE --pkcs12 FILE
                                      write it for other programs: any of the three, by 0600; --fleet F, --key-type TYPE,
                                      --passphrase-file FILE, --passphrase-fd N, --force
  pemfleet audit [NAME]               show who changed what, when and why; --after TIME
  pemfleet audit --serial HEX --after TIME
                                      show which hosts served this certificate then, and until when
  pemfleet audit --verify             find out whether anybody has changed the trail; --noted END: since then
  pemfleet doctor --aws               try once what only a real AWS account can say: policies, and a status
  pemfleet upgrade-agents --fleet NAME [--reason TEXT]
                                      upgrade the agents of a fleet on AWS, a canary first; --back to the release before
  pemfleet account                    show what each CA says of our account; register it where there is none
  pemfleet account --rollover|--contact
                                      change its key; tell the CA the configured contact
  pemfleet account --new [--deactivate] [--ca URL]
                                      put another account in its place, where the CA takes nothing from it any more
  pemfleet take-over                  make this configuration the one that counts, where another issuer works with another one
  pemfleet key [show]                 show the key that signs what is published
  pemfleet key recovery-key --out FILE
                                      make the key that can replace it; FILE is its only copy: put it away
  pemfleet key rotate                 change it; hosts follow by themselves
  pemfleet key recover --recovery-key FILE [--stolen]
                                      replace a key that is lost or stolen; hosts follow by themselves
  pemfleet key new [--adopt KEY]      begin a new lineage: each host asks for a word
  pemfleet haproxy-config [--part frontend|backend]
                                      print the HAProxy lines that the configured challenge needs, both parts or one
  pemfleet dns-records                print the records of dns-persist-01, and whether the DNS has them
  pemfleet caa                        print CAA records for the configured names and CAs, and check those in the DNS
  pemfleet schema                     print the JSON schema of pemfleet.yaml, for editors
  pemfleet version                    show the version; --version and -V do the same

  -c, --config FILE     default /etc/pemfleet/pemfleet.yaml
  --bucket URL          in place of the bucket that the configuration names; PEMFLEET_BUCKET says the same
  --stack NAME          the bucket of this CloudFormation stack (its output BucketUrl)
  --function NAME       run the command in the deployed function, with its rights: the caller needs lambda:InvokeFunction on its alias
                        read or change only
  --only NAME           limit the pass to this certificate; may be repeated
  --replace-trusted     run, plan, renew, import, adopt, rollback: a certificate that browsers do not trust may replace one that they do
  --fleet NAME          status, withdraw, probe: this fleet only; hold, resume: the fleet itself
  --canary NUMBER       upgrade-agents: hosts of the first wave, default 1; each next wave has twice as many
  --grace TIME          status: what was published less than so long ago may be on its way to hosts; default 2m (two polls)
  --concurrency NUMBER  probe: handshakes at the same time; --allow-private: at private addresses, too
  --haproxy-config FILE init, adopt: HAProxy's configuration, where several run or none does; --ca-file FILE: trust anchors of a private CA
  --switch              init: certificates of today's binds give way to pemfleet's, which cover them; --force: overwrite, and keep a copy
  --from WORD --dir DIR adopt: certbot, acme.sh, directory or haproxy, and where it is; --disable-old: its timer and cron lines go
  --yes                 what asks for it first: withdraw and replace for more than a third at once, account, key
  --serial HEX          revoke: an earlier certificate, by its serial
  --no-replace          revoke: without a replacement
  --timeout SECONDS     end the pass after this time; the next one continues; default 900, run: at least 40
  --json                print data as JSON on stdout (not: respond, timer, haproxy-config, schema, version)
  --log-format json     log events as JSON lines; -q, --quiet logs none

Exit status: 0 done or nothing to do; 1 failed; 2 status: cannot tell; 3 some certificates failed or are failing;
             64 usage; 77 another user must type it; 78 configuration.
`;

/**
 * 1 if all certificates failed now; 3 if some did, or are failing, or are not published and have to wait: between two attempts, too, nothing
 * is well.
 */
export function exitStatusOfOutcomes(outcomes: readonly Outcome[]): number {
  if (!outcomes.some(isFailing) && !outcomes.some(isHeldBack)) return EXIT.ok;
  return outcomes.every(({ result }) => result === 'failed') ? EXIT.failed : EXIT.partlyFailed;
}

export function outcomeTable(outcomes: readonly Outcome[]): string {
  const head = ['CERTIFICATE', 'RESULT', 'REASON', 'SERIAL', 'EXPIRES', ''];
  const rows = outcomes.map((outcome) => [
    outcome.certificate,
    outcome.result,
    outcome.until === undefined ? outcome.reason : `${outcome.reason} until ${minuteText(outcome.until)}`,
    outcome.serial ?? '-',
    outcome.notAfter === undefined ? '-' : minuteText(outcome.notAfter),
    whyFailing(outcome),
  ]);
  const locations = outcomes.flatMap((outcome) => outcome.places ?? []);
  return `${table([head, ...rows])}${locations.map((location) => `${printable(location)}\n`).join('')}`;
}

function whyFailing({ error, failure, heldBackBy, result }: Outcome): string {
  if (result === 'failed') {
    const next = failure === undefined ? '' : `; next attempt ${minuteText(failure.nextAttempt)}`;
    return `${error?.code} ${error?.message}${next}`;
  }
  if (heldBackBy !== undefined) return heldBackBy;
  if (error !== undefined) return `${error.code} ${error.message}`;
  if (failure === undefined) return '';
  const { attempts, at, code, message } = failure;
  const times = attempts === 1 ? 'failed' : `failed ${attempts} times`;
  return `${times}, last at ${minuteText(at)}: ${code} ${message}`;
}

/** One line each: what is published and not configured, when it ends, and what would end it before. */
export function unconfiguredLines(outcomes: readonly UnconfiguredOutcome[]): string {
  return outcomes.map((outcome) => `${printable(unconfiguredLine(outcome))}\n`).join('');
}

/** One line each: what is revoked, and what waits for which hosts. */
export function revocationLines(outcomes: readonly RevocationOutcome[]): string {
  return outcomes.map((outcome) => `${printable(revocationLine(outcome))}\n`).join('');
}

function revocationLine({ certificate, result, serials, reason, hosts, error }: RevocationOutcome): string {
  const what = `${certificate}: ${serials.join(' ')}`;
  if (result === 'revoked') return `${what} revoked (${reason})`;
  if (result === 'failed')
    return `${what} is not done yet: ${error?.code} ${error?.message}; the next pass tries again`;
  const why =
    hosts === undefined
      ? 'what takes its place is published and a host has proved it'
      : `these hosts have proved what takes its place: ${hosts.join(', ')}`;
  return `${what} is revoked by the pass that finds that ${why}; --now waits for nobody, --cancel ends it`;
}

/** Passes come too rarely for what is configured or published. */
export function wakeLine(problem: WakeProblem | undefined): string {
  if (problem === undefined) return '';
  return `${printable(`schedule: ${wakeProblemText(problem)}; pemfleet timer prints the timer that fits (docs/config.md, Short lifetimes)`)}\n`;
}

/** One line each: what was to be renewed at once, and was not. */
export function unmetLines(outcomes: readonly Outcome[]): string {
  return outcomes.map((outcome) => `${printable(unmetLine(outcome))}\n`).join('');
}

function unmetLine({ certificate, reason, until, heldBackBy }: Outcome): string {
  const why = heldBackBy === undefined ? reason : `${reason} (${heldBackBy})`;
  const when = until === undefined ? '' : ` until ${minuteText(until)}`;
  const cure =
    reason === 'held'
      ? `; pemfleet hold shows by which hold, pemfleet resume ${certificate} ends its own`
      : '';
  return `${certificate}: was not renewed: ${why}${when}${cure}`;
}

/** One line for each certificate and fleet: what HAProxy has no certificate for any more. */
export function lostLines(outcomes: readonly Outcome[]): string {
  const lines = outcomes.flatMap((outcome) => (outcome.lost ?? []).map((lost) => lostLine(outcome, lost)));
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function lostLine({ certificate, result }: Outcome, { fleet, names }: FleetLoss): string {
  const rest = names.length - MAX_NAMED;
  const listed = names.slice(0, MAX_NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
  const them = names.length === 1 ? 'it' : 'them';
  const [loses, when] = result === 'issued' ? ['has lost', 'any more'] : ['loses', 'from then on'];
  const dark = `no other certificate has ${them}, and HAProxy has none for ${them} ${when}`;
  return `fleet ${fleet}: ${certificate} ${loses} ${listed}: ${dark}`;
}

/** One line for each registered domain whose new certificates use up what the CA allows. */
export function burstLines(bursts: readonly DomainBurst[]): string {
  return bursts.map((burst) => `${printable(burstLine(burst))}\n`).join('');
}

function burstLine({ directoryUrl, domain, ordered, waiting, allowed, until }: DomainBurst): string {
  const { host } = new URL(directoryUrl);
  const rest = until === undefined ? '' : `; ${waiting} wait, the last one until ${minuteText(until)}`;
  const what = `${ordered} new certificates now, of ${allowed} that ${host} allows at once${rest}`;
  return `${domain}: ${what}; put more names into fewer certificates, or ask the CA for more: docs/limits.md`;
}

const ENDED = 'every living host holds it as ended, from before the bucket was put back';

function unconfiguredLine(outcome: UnconfiguredOutcome): string {
  const { fleet, certificate, result, reason, notAfter, by = [], unproven } = outcome;
  const successors = by.join(', ');
  if (result === 'superseded' && reason === 'ended') return `fleet ${fleet}: ${certificate}: ended: ${ENDED}`;
  if (result === 'superseded') {
    return `fleet ${fleet}: ${certificate}: superseded by ${successors}, which every host ${provedBut(unproven)}`;
  }
  const state = `published, not configured, expires ${minuteText(notAfter)}`;
  return `fleet ${fleet}: ${certificate}: ${state}; ${whyItStays(outcome, successors)}`;
}

function provedBut(unproven: UnconfiguredOutcome['unproven']): string {
  return unproven === undefined
    ? 'has proved'
    : `serves; no handshake can prove it on ${unproven.join(', ')}`;
}

function whyItStays(
  { fleet, certificate, reason, uncovered = [], hosts = [], unproven, error }: UnconfiguredOutcome,
  successors: string,
): string {
  const withdraw = `pemfleet withdraw ${certificate} --fleet ${fleet} ends it`;
  switch (reason) {
    case 'not-covered':
      return `no configured certificate has ${uncovered.join(', ')}; ${withdraw}`;
    case 'not-proved':
      return `it ends when these hosts have proved ${successors}: ${hosts.join(', ')}`;
    case 'no-host':
      return `it ends when a host has proved ${successors}; ${withdraw}`;
    case 'superseded':
      return unproven === undefined
        ? `every host has proved ${successors}: a pass would end it`
        : `every host serves ${successors}, without a handshake on ${unproven.join(', ')}: a pass would end it`;
    case 'ended':
      return `${ENDED}: a pass would end it`;
    case 'imported':
      return `it was imported; ${withdraw}`;
    case 'trusted-in-force':
      return `browsers trust it, and not what is configured for ${uncovered.join(', ')}: it stays until it expires; --replace-trusted says that it is meant, ${withdraw}`;
    case 'held':
      return `its fleet is held: pemfleet resume --fleet ${fleet} lets others take its place; ${withdraw}`;
    case 'out-of-time':
      return `the next pass looks whether others have taken its place`;
    case 'unreadable':
      return `it cannot be judged: ${error?.code ?? 'ERR_UNEXPECTED'} ${error?.message ?? ''}`;
  }
}
