/** Proves one certificate on the binds of a host. An address that does not answer is one fault: it is tried once for all certificates. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CombinedPem, parse } from '#contract/combined-pem.ts';
import type { HostView } from '../agent.ts';
import type { AgentConfig } from '../config/config.ts';
import { servedNames } from '../desired/overlap.ts';
import { HandshakeFailed } from '../errors.ts';
import type { DeadBind, Handshakes, Unproven } from '../proof/record.ts';
import { Unprovable } from '../wire/unprovable.ts';
import { type DesiredAction, isOfDesired, type Outcome } from './action.ts';
import { isForAddresses, proveServed } from './handshake.ts';
import { isWithoutAnswer } from './without-socket.ts';

type Desired = DesiredAction['desired'];
/** Whose binds they are, and what is known of them. */
type Binds = Pick<HostView, 'config' | 'proofs' | 'now'> & {
  haproxy: { process: { pid: number } } | undefined;
};

/** @throws HandshakeFailed where an address shows something else */
export async function proveOnBinds(desired: Desired, pem: CombinedPem, binds: Binds): Promise<Handshakes> {
  const { config, proofs } = binds;
  const proved: string[] = [];
  const unproven: Unproven[] = [];
  const failures: unknown[] = [];
  for (const address of config.haproxy.handshake) {
    const dead = proofs.deadBind(address, attemptOn(binds));
    if (dead !== undefined) {
      unproven.push(unreachable(dead));
      continue;
    }
    try {
      proved.push(...(await proveServed([address], desired, pem)));
      proofs.noteAlive(address);
    } catch (error) {
      if (error instanceof Unprovable) {
        unproven.push({ address, reason: error.reason, message: error.message });
        continue;
      }
      if (!(error instanceof HandshakeFailed)) throw error;
      if (isWithoutAnswer(error)) {
        unproven.push(unreachable(proofs.noteDead(address, saysOf(error), attemptOn(binds))));
        continue;
      }
      proofs.noteAlive(address);
      // One bind that hands it out without a name is enough.
      if (!isForAddresses(pem, desired)) throw error;
      failures.push(error);
    }
  }
  if (failures.length > 0 && proved.length === 0) throw failures[0];
  return { proved, unproven };
}

/** Reads the file that HAProxy is to have. @throws HandshakeFailed; what reading and parsing throw */
export async function proveFile(desired: Desired, binds: Binds): Promise<Handshakes> {
  const body = await readFile(join(binds.config.haproxy.certsDir, desired.file));
  const pem = parse(body.toString('utf8'));
  const shadows = new Map(desired.shadows?.map((shadow) => [shadow.name, shadow]));
  const ordered = servedNames({ ...desired, names: undefined });
  const [first = ''] = ordered;
  const shadow = shadows.get(first);
  if (shadow === undefined || ordered.some((name) => !shadows.has(name))) {
    return proveOnBinds(desired, pem, binds);
  }
  // What took its place is served for all of its names: nobody can ask for it, and nothing is wrong.
  if (desired.isUnlisted) return { proved: [], unproven: [] };
  const detail = `${shadow.by} has this name too and is served: ${shadow.why}; ${desired.file} has no name of its own: take one of the two out, or give it a name`;
  throw new HandshakeFailed('ERR_HANDSHAKE_OVERLAP', { address: 'any bind', servername: first }, detail);
}

/** That one proof of the file takes. */
export function handshakesOf({ precedences }: Desired, { haproxy }: Pick<AgentConfig, 'haproxy'>): number {
  return haproxy.handshake.length * Math.max(1, precedences?.length ?? 0);
}

export function attemptOn({ haproxy, now }: Pick<Binds, 'haproxy' | 'now'>): {
  at: number;
  pid: number | undefined;
} {
  return { at: now().getTime(), pid: haproxy?.process.pid };
}

function unreachable({ address, message }: DeadBind): Unproven {
  return { address, reason: 'unreachable', message };
}

/** Of the address alone: it is the same for all certificates. */
function saysOf({ code, cause }: HandshakeFailed): string {
  const why =
    code === 'ERR_HANDSHAKE_TIMEOUT'
      ? 'no handshake within 5 s'
      : ((cause as NodeJS.ErrnoException | undefined)?.code ?? 'no connection');
  return `${why}: does HAProxy bind there? Set haproxy.handshake to its binds, or to []`;
}

/**
 * Notes what the handshakes of a pass have shown.
 * @returns whether a file has its first proof: what waits for it may go now
 */
export function noteProofs(
  outcomes: readonly Outcome[],
  view: Pick<HostView, 'proofs' | 'haproxy' | 'now' | 'config'>,
): boolean {
  let isAnyNew = false;
  for (const outcome of outcomes.filter(isOfDesired)) {
    const { action, deployed, kind } = outcome;
    const { file, desired } = action;
    const { handshakes: proved, unproven = [] } = deployed;
    if (kind === 'failed') view.proofs.drop(file);
    if (kind === 'failed' || proved === undefined) continue;
    isAnyNew ||= view.proofs.of(file, desired.sha256) === undefined;
    view.proofs.note(file, desired.sha256, { proved, unproven }, attemptOn(view));
  }
  forgetOthers(outcomes, view);
  return isAnyNew;
}

/** What this pass has looked at is as it has found it; what had no turn in it is still odd. */
function forgetOthers(
  outcomes: readonly Outcome[],
  { proofs, config }: Pick<HostView, 'proofs' | 'config'>,
): void {
  const kinds = new Map(outcomes.map(({ action }) => [action.file, action.kind]));
  proofs.retain(new Set(kinds.keys()));
  for (const [file, kind] of kinds) if (kind !== 'keep' && kind !== 'pending') proofs.trust(file);
  proofs.retainBinds(config.haproxy.handshake);
}
