/** What TLS handshakes have shown of the files of one HAProxy: what was true then need not be true now, so that a proof has an age. */

import type { UnprovableReason } from '../wire/unprovable.ts';

/** Why no handshake can show a certificate at an address, though HAProxy may serve it. docs/bucket.md has the table. */
export type UnprovenReason =
  | UnprovableReason
  /** Nothing listens there, or it does not answer. */
  | 'unreachable'
  /** `haproxy.handshake` is empty. */
  | 'no-handshake-configured'
  /** Its turn has not come yet. */
  | 'not-yet';

export interface Unproven {
  address: string;
  reason: UnprovenReason;
  message: string;
}

/** What the handshakes of one certificate have shown. An address in neither of them was not tried. */
export interface Handshakes {
  /** Addresses that handed it out. */
  proved: readonly string[];
  unproven: readonly Unproven[];
}

/** When handshakes were made, and with which worker: a reload brings another Pid. `undefined`: HAProxy does not tell it. */
export interface Attempt {
  at: number;
  pid: number | undefined;
}

/** An address that does not answer: it is tried once for all certificates. */
export interface DeadBind {
  address: string;
  message: string;
  since: number;
  /** The last try. */
  attempt: Attempt;
}

export interface FileProofs {
  sha256: string;
  /** The last time, whatever was shown. */
  attempt: Attempt;
  /** By address. */
  proofs: ReadonlyMap<string, Attempt>;
  /** By address; the last proof of it is kept beside it. */
  unproven: ReadonlyMap<string, Unproven & { since: number }>;
}

/**
 * `fresh`: by the worker that runs now, and not too long ago; `aged`: longer ago, or at an unknown time; `other-worker`: HAProxy was
 * reloaded since; `none`: an address has neither a proof nor a reason why there is none.
 */
export type Standing = 'fresh' | 'aged' | 'other-worker' | 'none';

/** What a proof is judged by. */
export interface ProofRule {
  addresses: readonly string[];
  /** Of the worker that runs now. */
  pid: number | undefined;
  now: number;
  maxAgeMs: number;
}
