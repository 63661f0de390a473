/**
 * Names a wrong wire: which certificate the bind hands out, from which file, in how many of twenty handshakes, by which process,
 * and what to do about it.
 */
import type { X509Certificate } from 'node:crypto';
import { printable } from '#common/printable.ts';
import type { Wire } from '#contract/host-status.ts';
import { HandshakeFailed } from '../errors.ts';
import type { Listener, Listeners } from './listeners.ts';
import type { Origin, OriginFinder } from './origin.ts';
import { type Sampling, sampleWire } from './samples.ts';

/** RFC 6066 §3: the bind has no certificate for the name. */
const UNRECOGNIZED_NAME = 112;
/** Characters, in the host status. */
const MAX_ISSUER = 512;
const MAX_FILE = 1024;
const MAX_LISTENER = 256;
/** Processes that are named. */
const MAX_NAMED = 3;

/** Whether the bind has answered, with something else than the wanted certificate. */
export function isWrongWire(error: unknown): error is HandshakeFailed {
  if (!(error instanceof HandshakeFailed)) return false;
  const { code, alert } = error;
  if (code === 'ERR_HANDSHAKE_REFUSED') return alert === UNRECOGNIZED_NAME;
  return code === 'ERR_HANDSHAKE_CERTIFICATE' || code === 'ERR_HANDSHAKE_CHAIN';
}

type Counts = Pick<Wire, 'wrong' | 'samples'>;

export interface WireSources {
  finder: OriginFinder;
  listenersOn: (address: string) => Promise<Listeners>;
  now: Date;
}

/** @returns the same failure with what was found out about it */
export async function examineWire(
  error: HandshakeFailed,
  sampling: Sampling,
  { finder, listenersOn, now }: WireSources,
): Promise<HandshakeFailed> {
  const { shown, address, servername } = error;
  const { wrong, samples } = await sampleWire(sampling, error);
  const counts = { wrong, samples };
  const isChain = error.code === 'ERR_HANDSHAKE_CHAIN';
  const origin = shown && (await finder.originOf(shown, isChain));
  const listeners = await listenersOn(address);
  // What HAProxy hands out each time, and has loaded, is its own work: another process of its name may be there by right.
  const isHaproxys = origin?.isLoaded === true && wrong === samples;
  const seen = isHaproxys ? { ...listeners, suspects: [] } : listeners;
  const listener = listenerIn(seen);
  const wire: Wire = {
    address,
    ...(servername !== undefined && { name: servername }),
    ...(shown && { serial: shown.serialNumber, issuer: issuerOf(shown) }),
    ...(origin && { file: printable(origin.file).slice(0, MAX_FILE) }),
    ...counts,
    ...(listener && { listener: listener.slice(0, MAX_LISTENER) }),
    at: now.toISOString(),
  };
  const facts = [...factsOf(shown, counts), causeOf(origin, seen, counts, shown !== undefined)];
  return error.withWire(wire, facts.filter(Boolean).join('; '));
}

function issuerOf({ issuer }: X509Certificate): string {
  return printable(issuer.replaceAll('\n', ', ')).slice(0, MAX_ISSUER);
}

function factsOf(shown: X509Certificate | undefined, { wrong, samples }: Counts): string[] {
  const often =
    wrong === samples ? `in each of ${samples} handshakes` : `in ${wrong} of ${samples} handshakes`;
  return [...(shown ? [`issued by ${issuerOf(shown)}`] : []), often];
}

/** Whose work it is, and what to do. */
function causeOf(
  origin: Origin | undefined,
  listeners: Listeners,
  { wrong, samples }: Counts,
  isShown: boolean,
): string {
  const file = origin === undefined ? '' : printable(origin.file);
  const listener = listenerIn(listeners);
  if (listener !== undefined) {
    const lies = origin === undefined || origin.isLoaded ? '' : `; the certificate is in ${file}`;
    // This user cannot see whose socket it is: a second HAProxy of this host may be there by right.
    if (listeners.known.every(({ relation }) => relation === 'same')) {
      return `another process listens there, ${listener}; "ss -ltnp" as root shows which, and it is to be stopped${lies}`;
    }
    return `${listener} listens there beside HAProxy: stop it${lies}`;
  }
  if (origin?.isLoaded && !origin.isOurs) {
    return `HAProxy has it as ${file}, which is not the agent's: take the name out of it or move it away, then reload HAProxy`;
  }
  if (origin?.isLoaded)
    return `HAProxy has it as ${file}: does that bind load the file that it is to hand out?`;
  const isSometimes = wrong < samples;
  // A bind that knows no such name is HAProxy's own work as a rule.
  if (!isSometimes && !isShown) return '';
  const known = origin === undefined ? 'HAProxy does not have it' : `HAProxy does not have it, ${file} does`;
  const who =
    listeners.sockets > 1 || isSometimes
      ? 'another process listens there, too'
      : 'another process or an old worker answers there';
  return `${isShown ? `${known}: ` : ''}${who}; "ss -ltnp" as root shows which, and it is to be stopped`;
}

/** @returns undefined: as far as this user can see, HAProxy alone listens */
function listenerIn({ known, suspects }: Listeners): string | undefined {
  const others = known.filter(({ relation }) => relation !== 'same');
  const nameOf = ({ pid, name, relation }: Listener) =>
    relation === 'stale' ? `pid ${pid} (${name}, a former worker)` : `pid ${pid} (${name})`;
  const listOf = (some: readonly Listener[]) => some.slice(0, MAX_NAMED).map(nameOf).join(', ');
  if (others.length > 0) return listOf(others);
  return suspects.length === 0 ? undefined : `perhaps ${listOf(suspects)}`;
}
