/** Proofs as the host status shows them: how old they are, and why some are missing. */
import type { FileStatus, HostCondition, HostStatus } from '#contract/host-status.ts';
import type { KnownProofs } from './known.ts';
import { ProofPace } from './pace.ts';
import type { Unproven, UnprovenReason } from './record.ts';

/** What is to be proved where, and how often. */
interface ProofSettings {
  haproxy: { handshake: readonly string[] };
  watch: { proveWithinMs: number };
}

export interface ProofInput {
  known: KnownProofs;
  settings: ProofSettings;
  /** Status of the file before. */
  before: FileStatus | undefined;
  now: Date;
}

/** Of a served file. */
export function proofStatusOf(
  { file, sha256 }: { file: string; sha256: string },
  { known, settings, before, now }: ProofInput,
): Pick<FileStatus, 'handshakes' | 'provenAt' | 'unproven'> {
  const { handshake } = settings.haproxy;
  if (handshake.length === 0) return { handshakes: [], unproven: notConfigured(before, now) };
  const { proofs, unproven } = known.of(file, sha256) ?? {};
  const handshakes = handshake.filter((address) => proofs?.has(address));
  const ageing = handshakes.filter((address) => isAwaited(unproven?.get(address)?.reason));
  const oldest = Math.min(...ageing.map((address) => proofs?.get(address)?.at ?? 0));
  const dead = new Map(
    known.deadBinds.map((one) => [one.address, { ...one, reason: 'unreachable' as const }]),
  );
  const [why] = handshake.flatMap((address) => unproven?.get(address) ?? dead.get(address) ?? []);
  const isNotYet = why === undefined && proofs === undefined;
  const reason = isNotYet ? notYet(before, now) : why && unprovenText(why);
  return {
    handshakes,
    // Of an agent that kept no times, it is known only that there were handshakes.
    ...(ageing.length > 0 && oldest > 0 && { provenAt: new Date(oldest).toISOString() }),
    ...(reason && { unproven: reason }),
  };
}

/**
 * Whether the next proof of the address is overdue one day. Where no handshake is possible (the address has moved to the other machine of a
 * VRRP pair, the bind asks for a client certificate), an earlier one is shown, and its age says nothing.
 */
function isAwaited(reason: UnprovenReason | undefined): boolean {
  return reason === undefined || reason === 'unreachable' || reason === 'not-yet';
}

function unprovenText({
  address,
  reason,
  message,
  since,
}: Unproven & { since: number }): FileStatus['unproven'] {
  return { since: new Date(since).toISOString(), reason, message: `${address}: ${message}` };
}

function notYet(before: FileStatus | undefined, now: Date): FileStatus['unproven'] {
  const message = 'no handshake has shown it yet: its turn comes';
  return { since: sinceOf('not-yet', before, now), reason: 'not-yet', message };
}

function notConfigured(before: FileStatus | undefined, now: Date): FileStatus['unproven'] {
  const reason = 'no-handshake-configured';
  return {
    since: sinceOf(reason, before, now),
    reason,
    message: 'haproxy.handshake is []: no handshake proves it',
  };
}

function sinceOf(reason: UnprovenReason, before: FileStatus | undefined, now: Date): string {
  const known = before?.unproven?.reason === reason ? before.unproven.since : undefined;
  // A time of the future was written while the clock was ahead.
  return known !== undefined && new Date(known) <= now ? known : now.toISOString();
}

/** @param files all of them */
export function proofsIn(
  files: readonly FileStatus[],
  { haproxy: { handshake }, watch }: ProofSettings,
  pace = new ProofPace(),
): HostStatus['proofs'] {
  if (handshake.length === 0) return undefined;
  const served = servedAmong(files);
  let oldest: string | undefined;
  for (const { provenAt } of served) {
    if (provenAt !== undefined && (oldest === undefined || provenAt < oldest)) oldest = provenAt;
  }
  return {
    spanMs: pace.spanOf(served.length * handshake.length, watch.proveWithinMs),
    ...(oldest && { oldest }),
    unproven: served.filter(({ unproven }) => unproven !== undefined).length,
  };
}

/** Of several HAProxy on one host: one agent makes the handshakes of all, one after the other, so that their spans add up. */
export function proofsOfAll(
  parts: readonly { name: string; status: HostStatus }[],
  settings: readonly (ProofSettings & { haproxy: { name?: string | undefined } })[],
  pace = new ProofPace(),
): HostStatus['proofs'] {
  const all = parts.flatMap(({ status }) => status.proofs ?? []);
  if (all.length === 0) return undefined;
  const [oldest] = all.flatMap((one) => one.oldest ?? []).sort();
  const binds = new Map(settings.map(({ haproxy: { name = '', handshake } }) => [name, handshake.length]));
  const totals = parts.map(
    ({ name, status: { files } }) => servedAmong(files).length * (binds.get(name) ?? 0),
  );
  const total = totals.reduce((sum, one) => sum + one, 0);
  return {
    spanMs: pace.spanOf(total, Math.max(0, ...settings.map(({ watch }) => watch.proveWithinMs))),
    ...(oldest && { oldest }),
    unproven: all.reduce((sum, one) => sum + one.unproven, 0),
  };
}

function servedAmong(files: readonly FileStatus[]): FileStatus[] {
  return files.filter(({ state }) => state === 'served');
}

/** One for each address that does not answer. */
export function deadBindConditions(known: KnownProofs): HostCondition[] {
  return known.deadBinds.map(({ address, message, since }) => ({
    condition: DEAD_BIND,
    since: new Date(since).toISOString(),
    message: `${address}: ${message}`,
  }));
}

/** Several of it may be true at once: the message tells them apart. */
export const DEAD_BIND = 'bind-unreachable';
