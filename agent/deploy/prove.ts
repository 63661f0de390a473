/** Proves one certificate on the binds of a host. An address that does not answer is one fault: it is tried once for all certificates. */
import { join } from 'node:path';
import { digest, parse } from '#contract/combined-pem.ts';
import type { HostView } from '../agent.ts';
import type { AgentConfig } from '../config/config.ts';
import { servedNames } from '../desired/overlap.ts';
import { HandshakeFailed } from '../errors.ts';
import type { DeadBind, Handshakes, Unproven } from '../proof/record.ts';
import { namesAtOnce } from '../proof/rotation.ts';
import { type WantedChain, wantedChainOf } from '../proof/wanted-chain.ts';
import type { WireExaminer } from '../wire/examiner.ts';
import { isWithoutAnswer } from '../wire/refusal.ts';
import { isMismatch } from '../wire/tls-client.ts';
import { Unprovable } from '../wire/unprovable.ts';
import { type DesiredAction, isOfDesired, type Outcome } from './action.ts';
import { readPlainFile } from './disk.ts';
import { isForAddresses, proveServed, samplingAt, samplingOf } from './handshake.ts';
import { chainIn } from './leaf-names.ts';

type Desired = DesiredAction['desired'];
/** Whose binds they are, and what is known of them. */
type Binds = Pick<HostView, 'config' | 'proofs' | 'now'> & {
  haproxy: { process: { pid: number } } | undefined;
  /** Of a pass: it names what the wire shows instead. */
  wires?: WireExaminer | undefined;
};

/**
 * @param isStrict also where a bind has no cipher in common with any client of this kind of key: it may have had one with the
 * certificate before
 * @throws HandshakeFailed where an address shows something else
 */
export async function proveOnBinds(
  desired: Desired,
  wanted: WantedChain,
  binds: Binds,
  isStrict = false,
): Promise<Handshakes> {
  const isByAddress = isForAddresses(wanted, desired);
  const asked = { ...desired, turn: binds.proofs.turnOf(desired.file) };
  const proved: string[] = [];
  const unproven: Unproven[] = [];
  const failures: HandshakeFailed[] = [];
  for (const address of binds.config.haproxy.handshake) {
    const result = await proveOn(address, { desired: asked, wanted }, binds);
    if (result === undefined) proved.push(address);
    else if (!(result instanceof HandshakeFailed)) unproven.push(result);
    // One bind that hands it out without a name is enough; one that knows RSA alone never hands out ECDSA.
    else if (isByAddress || (isMismatch(result) && !isStrict)) failures.push(result);
    else throw result;
  }
  const [failure] = failures;
  if (failure !== undefined && proved.length === 0) throw failure;
  return { proved, unproven: isByAddress ? unproven : [...unproven, ...failures.map(withoutCommonCipher)] };
}

/** @returns undefined: it is handed out there */
async function proveOn(
  address: string,
  { desired, wanted }: { desired: Desired & { turn: number }; wanted: WantedChain },
  binds: Binds,
): Promise<Unproven | HandshakeFailed | undefined> {
  const { proofs, wires } = binds;
  const dead = proofs.deadBind(address, attemptOn(binds));
  if (dead !== undefined) return unreachable(dead);
  try {
    await proveServed([address], desired, wanted);
    await wires?.confirm(desired, samplingAt(address, desired, wanted));
    proofs.noteAlive(address);
    return undefined;
  } catch (error) {
    if (error instanceof Unprovable) return { address, reason: error.reason, message: error.detail };
    if (!(error instanceof HandshakeFailed)) throw error;
    if (isWithoutAnswer(error)) return unreachable(proofs.noteDead(address, saysOf(error), attemptOn(binds)));
    proofs.noteAlive(address);
    return wires === undefined ? error : wires.examine(error, desired, samplingOf(error, desired, wanted));
  }
}

function withoutCommonCipher({ address, alert }: HandshakeFailed): Unproven {
  const detail = `alert ${alert}: the bind has no TLS version, cipher or signature algorithm in common with a client of this kind of key: another bind hands it out, this one hands out the other kind, if any`;
  return { address, reason: 'no-common-cipher', message: detail };
}

/** Reads the file that HAProxy is to have. @throws HandshakeFailed; what reading and parsing throw */
export async function proveFile(desired: Desired, binds: Binds): Promise<Handshakes> {
  const wanted = wantedChainIn(readPlainFile(join(binds.config.haproxy.certsDir, desired.file)), desired);
  const shadows = new Map(desired.shadows?.map((shadow) => [shadow.name, shadow]));
  const ordered = servedNames({ ...desired, names: undefined });
  const [first = ''] = ordered;
  const shadow = shadows.get(first);
  if (shadow === undefined || ordered.some((name) => !shadows.has(name))) {
    return proveOnBinds(desired, wanted, binds);
  }
  // What took its place is served for all of its names: nobody can ask for it, and nothing is wrong.
  if (desired.isUnlisted) return { proved: [], unproven: [] };
  const detail = `${shadow.by} has this name too and is served: ${shadow.why}; ${desired.file} has no name of its own: take one of the two out, or give it a name`;
  throw new HandshakeFailed('ERR_HANDSHAKE_OVERLAP', { address: 'any bind', servername: first }, detail);
}

/** Content that was checked before it was published, and again before it was installed, is not checked a third time. */
function wantedChainIn(body: Buffer, desired: Desired): WantedChain {
  const known = digest(body) === desired.sha256 ? chainIn(body) : undefined;
  return known ?? wantedChainOf(parse(body.toString('utf8')));
}

/** That one proof of the file takes. */
export function handshakesOf(desired: Desired, { haproxy }: Pick<AgentConfig, 'haproxy'>): number {
  const { precedences = [], contested = [], shadows = [] } = desired;
  const own = namesAtOnce(servedNames(desired).length - shadows.length);
  return haproxy.handshake.length * (own + precedences.length + contested.length);
}

function attemptOn({ haproxy, now }: Pick<Binds, 'haproxy' | 'now'>): {
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

/**
 * Whether a handshake has shown a file: one that only could not be proved is not shown, and may be wrong. Where no handshake is
 * configured, HAProxy's word counts. To call after `noteProofs`.
 */
export function hasProof(
  { action, deployed }: Outcome,
  { proofs, config }: Pick<HostView, 'proofs' | 'config'>,
): boolean {
  const isKept = action.kind === 'keep';
  if (config.haproxy.handshake.length === 0) return isKept || deployed.handshakes !== undefined;
  if (deployed.handshakes !== undefined) return deployed.handshakes.length > 0;
  // The agent has proved it between two passes.
  return isKept && proofs.wasShown(action.file, action.desired.sha256);
}

/** What this pass has looked at is as it has found it; what had no turn in it is still odd, where handshakes are to tell. */
function forgetOthers(
  outcomes: readonly Outcome[],
  { proofs, config }: Pick<HostView, 'proofs' | 'config'>,
): void {
  const kinds = new Map(outcomes.map(({ action }) => [action.file, action.kind]));
  proofs.retain(new Set(kinds.keys()));
  const isUnprovable = config.haproxy.handshake.length === 0;
  for (const [file, kind] of kinds)
    if (isUnprovable || (kind !== 'keep' && kind !== 'pending')) proofs.trust(file);
  proofs.retainBinds(config.haproxy.handshake);
}
