/**
 * The pace of handshakes that only look. One takes 2.6 ms of the agent's processor time on an idle machine, and 1.5 ms (ECDSA) or 2.6 ms
 * (RSA-2048) of HAProxy's (docs/bench.md): at one in 260 ms neither takes more than 1 % of a core, so that 2,300 have their turn within
 * ten minutes. Where the agent takes longer, HAProxy does, too: the pace follows what the agent measures of itself.
 */

/** Never sooner, however fast the agent is: HAProxy may have RSA keys. */
export const HANDSHAKE_EVERY_MS = 260;
/** A pass is no slower than that: of a few certificates it proves all after each reload. */
export const IN_A_PASS = 100;

/** Of a core. */
const SHARE = 0.01;
/** What is left to handshakes where polls alone take more than that share. */
const SMALLEST_SHARE = SHARE / 4;
/** Of one handshake. What is measured may hold other work of the process, such as a report. */
const COST_MS = { first: 2.6, least: 0.5, most: 26 };
/** A process that stood still, or a clock that was set, is no measurement. */
const MOST_DELAY = 10;
/** One that takes longer than so many times the usual is not all a handshake's doing. */
const MOST_GROWTH = 4;
/** A handshake counts a sixteenth of what is known of those before it. */
const WEIGHT = 1 / 16;
/** What the process does besides comes in bursts, once a poll: it is averaged over some of them. */
const BESIDES_OVER_MS = 5 * 60_000;
/** A little sooner than asked for, so that handshakes and passes in between fit in. */
const AHEAD = 0.95;

/** Of one agent, whichever HAProxy it shakes hands with: they share what it may use. */
export class ProofPace {
  #costMs = COST_MS.first;
  #besides = 0;
  #delay = 1;

  /**
   * What the process has done from one handshake to the next, passes excepted: its closing and the garbage that it leaves come after it. What
   * is far more than a handshake takes is something else, a poll for example.
   * @param handshakes that were made
   */
  noteUse(cpuMs: number, elapsedMs: number, handshakes = 1): void {
    const byHandshakes = Math.min(cpuMs, MOST_GROWTH * this.#costMs * handshakes);
    const costMs = within(byHandshakes / handshakes, COST_MS.least, COST_MS.most);
    this.#costMs += WEIGHT * (costMs - this.#costMs);
    if (elapsedMs <= 0) return;
    const share = within((cpuMs - byHandshakes) / elapsedMs, 0, 1);
    this.#besides += (1 - Math.exp(-elapsedMs / BESIDES_OVER_MS)) * (share - this.#besides);
  }

  /** How long it was to take from one handshake to the next, and how long it took: on a busy machine, or with passes in between. */
  noteDelay(plannedMs: number, elapsedMs: number): void {
    if (plannedMs <= 0) return;
    this.#delay += WEIGHT * (within(elapsedMs / plannedMs, 1, MOST_DELAY) - this.#delay);
  }

  /** From one handshake to the next, at the soonest. */
  get everyMs(): number {
    const share = Math.max(SMALLEST_SHARE, SHARE - this.#besides);
    return Math.max(HANDSHAKE_EVERY_MS, this.#costMs / share);
  }

  /** From one handshake to the next, where `total` are to be made within `proveWithinMs`, evenly. */
  evenlyMs(total: number, proveWithinMs: number): number {
    return Math.max(this.everyMs, (AHEAD * proveWithinMs) / Math.max(1, total));
  }

  /** @param total of handshakes that prove everything once @returns the time in which all have their turn, in whole seconds */
  spanOf(total: number, proveWithinMs: number): number {
    const spanMs = Math.max(proveWithinMs, total * this.evenlyMs(total, proveWithinMs) * this.#delay);
    return Math.ceil(spanMs / 1000) * 1000;
  }
}

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
