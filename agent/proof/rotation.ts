/**
 * Names of a certificate by turns: another program may have taken one of them alone, which no handshake for the first one shows. A proof
 * asks for one of a few names, for more of many, so that all have been asked for within a few spans.
 */

/** Proofs within which each name has its turn. */
const TURNS = 5;
/** Of a certificate with more names, a round takes more proofs. */
const MAX_AT_ONCE = 20;

/** @returns how many of so many names one proof asks for */
export function namesAtOnce(count: number): number {
  return Math.min(MAX_AT_ONCE, Math.max(1, Math.ceil(count / TURNS)));
}

/** @param turn counts the proofs so far */
export function namesInRotation(names: readonly string[], turn: number): string[] {
  const size = namesAtOnce(names.length);
  const turns = Math.max(1, Math.ceil(names.length / size));
  const from = (turn % turns) * size;
  return names.slice(from, from + size);
}
