/** Many handshakes with one bind: what one of them shows may be the work of one of two processes that listen there. */
import type { X509Certificate } from 'node:crypto';
import { HandshakeFailed, type HandshakeTarget } from '../errors.ts';
import type { ClientKind } from './client-kind.ts';
import { isWithoutAnswer } from './refusal.ts';
import { chainFrom } from './tls-client.ts';

/** If two processes share the connections evenly, two rounds in a million show only one of them. */
const SAMPLES = 20;

/** What a client asks for, and what it is to get. */
export interface Sampling {
  target: HandshakeTarget;
  kind: ClientKind;
  /** @throws HandshakeFailed for another chain */
  check: (chain: readonly X509Certificate[]) => void;
}

export interface Samples {
  /** Handshakes that showed something else, or that the bind refused. */
  wrong: number;
  samples: number;
  /** The first of them. */
  failure: HandshakeFailed | undefined;
}

/** One after the other, beside visitors. @param first what the handshake before has shown, which counts; `undefined`: the right chain */
export async function sampleWire(
  { target, kind, check }: Sampling,
  first: HandshakeFailed | undefined,
): Promise<Samples> {
  let failure = first;
  let wrong = first === undefined ? 0 : 1;
  let samples = 1;
  for (; samples < SAMPLES; samples += 1) {
    try {
      check(await chainFrom(target, kind));
    } catch (error) {
      // It answers no more: what it has shown until then counts.
      if (!(error instanceof HandshakeFailed) || isWithoutAnswer(error)) break;
      failure ??= error;
      wrong += 1;
    }
  }
  return { wrong, samples, failure };
}
