/** Many handshakes with one bind: what one of them shows may be the work of one of two processes that listen there. */
import type { X509Certificate } from 'node:crypto';
import type { HandshakeTarget } from '../errors.ts';
import { HandshakeFailed } from '../errors.ts';
import type { ClientKind } from './client-kind.ts';
import { chainFrom } from './tls-client.ts';

/** If two processes share the connections evenly, one in a million rounds shows only one of them. */
export const SAMPLES = 20;

/** What a client asks for, and whether that is what it gets. */
export interface Sampling {
  target: HandshakeTarget;
  kind: ClientKind;
  isRight: (chain: readonly X509Certificate[]) => boolean;
}

export interface Samples {
  /** Handshakes that showed something else, or that the bind refused. */
  wrong: number;
  samples: number;
}

/** One after the other, beside visitors. @param first what the handshake before has shown, which counts */
export async function sampleWire(
  { target, kind, isRight }: Sampling,
  first: 'right' | 'wrong',
): Promise<Samples> {
  let wrong = first === 'wrong' ? 1 : 0;
  let samples = 1;
  for (; samples < SAMPLES; samples += 1) {
    try {
      if (!isRight(await chainFrom(target, kind))) wrong += 1;
    } catch (error) {
      if (!(error instanceof HandshakeFailed) || error.code !== 'ERR_HANDSHAKE_REFUSED') break;
      wrong += 1;
    }
  }
  return { wrong, samples };
}
