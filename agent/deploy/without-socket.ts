/**
 * A HAProxy without a stats socket for the agent: only a handshake shows what it serves, and only a reload changes it.
 * The agent does both where the operator has configured a reload command and there is a bind to prove certificates on.
 */
import { join } from 'node:path';
import { parse } from '#contract/combined-pem.ts';
import { codeOf } from '#contract/errors.ts';
import { MAX_PEM_BYTES } from '#contract/limits.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { Agent, HostView, PassOptions } from '../agent.ts';
import type { Blocker } from '../blocker.ts';
import type { DesiredFile } from '../desired/files.ts';
import { HandshakeFailed, RuntimeCommandFailed } from '../errors.ts';
import type { Handshakes } from '../proof/record.ts';
import { type WantedChain, wantedChainOf } from '../proof/wanted-chain.ts';
import { Unprovable } from '../wire/unprovable.ts';
import { proveServed } from './handshake.ts';
import { proveOnBinds } from './prove.ts';

/** There is none, this user may not connect, its level is not admin, or it refuses all until a reload. A socket without a listener: HAProxy is down. */
const NO_SOCKET = [
  ...['ERR_RUNTIME_SOCKET_MISSING', 'ERR_RUNTIME_SOCKET_DENIED', 'ERR_RUNTIME_NOT_ADMIN'],
  'ERR_RUNTIME_LOCK_BROKEN',
];

export function worksWithoutSocket(
  { config: { haproxy } }: Agent,
  blocker: Blocker | undefined,
  { isBeforeStart }: PassOptions,
): boolean {
  if (haproxy.reload === undefined || haproxy.handshake.length === 0 || isBeforeStart) return false;
  return blocker !== undefined && NO_SOCKET.includes(blocker.code);
}

/**
 * @throws RuntimeCommandFailed `ERR_RUNTIME_NO_SOCKET`: a bind hands out something else, until the next reload;
 * or why there is no socket, if no bind answers
 */
export async function proveWithoutSocket(
  desired: DesiredFile,
  wanted: WantedChain,
  view: HostView,
): Promise<Handshakes> {
  const handshakes = await proveOnBinds(desired, wanted, view).catch((error: unknown) => {
    if (!(error instanceof HandshakeFailed)) throw error;
    throw noSocket(desired, view, 'HAProxy takes it at its next reload', error);
  });
  if (handshakes.proved.length > 0) return handshakes;
  // The binds do not answer either: HAProxy is down, and its next start reads the file.
  if (handshakes.unproven.some(({ reason }) => reason === 'unreachable')) throw view.blocker;
  const [why = 'no DNS name of its own'] = handshakes.unproven.map(({ message }) => message);
  const rest = `and no handshake can show it (${why}): HAProxy took it if it was reloaded since`;
  throw noSocket(desired, view, rest);
}

function noSocket(
  { file }: DesiredFile,
  { blocker }: HostView,
  rest: string,
  cause?: HandshakeFailed,
): RuntimeCommandFailed {
  const detail = `there is no stats socket to load it through (${codeOf(blocker)}): ${rest}`;
  return new RuntimeCommandFailed('ERR_RUNTIME_NO_SOCKET', { verb: 'set ssl cert', filename: file }, detail, {
    cause,
  });
}

/** So many of the files that wait for a reload are tried: one that is handed out is enough. */
const MAX_TRIED = 20;

/** After a reload: whether the new worker hands out one of these. Reads each file once, however often it is called. */
export function isAnyServed(desired: readonly DesiredFile[], { config }: Agent): () => Promise<boolean> {
  const { certsDir, handshake } = config.haproxy;
  const attempts = desired.slice(0, MAX_TRIED).map((one) => {
    let wanted: Promise<WantedChain> | undefined;
    return async () => {
      wanted ??= readRegularFile(join(certsDir, one.file), MAX_PEM_BYTES).then((body) =>
        wantedChainOf(parse(body.toString('utf8'))),
      );
      const addresses = await proveServed(handshake, one, await wanted).catch(asNone);
      return addresses.length > 0;
    };
  });
  return async () => (await Promise.all(attempts.map((attempt) => attempt()))).includes(true);
}

function asNone(error: unknown): string[] {
  if (error instanceof HandshakeFailed || error instanceof Unprovable) return [];
  throw error;
}
