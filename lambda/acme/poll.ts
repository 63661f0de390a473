/** Polling by RFC 8555 §7.5.1: the client obeys Retry-After; without one the intervals grow. */
import { atMost } from '#common/in-parallel.ts';
import { MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { AcmeDeadline } from './problem.ts';
import { parseRetryAfter } from './retry-after.ts';

export interface Timing {
  now: () => Date;
  sleep: (ms: number) => Promise<void>;
  /** The pass ends here: no wait goes beyond it. */
  deadline: Date;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5 * SECOND_MS;
/** A pass sleeps no longer for one CA: who is asked to come later does something else until then, or ends. */
export const LONGEST_SLEEP_MS = 10 * MINUTE_MS;

/** What one adds that was not done at the first look, beyond the time that it took; what each takes off that was. Some 5 % are looked at twice. */
const LATER = 1.5;
/** One that takes minutes makes the others wait a little longer, not for minutes. */
const MOST_LATER = 5;
const SOONER = 0.98;

/** All that wait for one CA together look at most sixty times a second. */
const BETWEEN_LOOKS_MS = 16;

/** The CA does so much at once: what its resolver does not answer in time, because all ask together, is a try that failed. */
const TURNS_AT_ONCE = 20;
/** Of a longer wait, the turn lasts so long: a shorter one keeps its place in the pass, so that nobody with a turn waits for one. */
const LONGEST_HELD_MS = 900;

/** What is asked of a CA, while few others ask. */
export interface ValidationSlot {
  /** A wait of a second or more ends the turn: then the CA takes its time, and others are asked for beside it. */
  sleep: (ms: number, sleep: Timing['sleep']) => Promise<void>;
}

/** How long a CA takes for things of one kind, as it has shown: a look at one that cannot be done yet is a request for nothing. */
export class AnswerPace {
  readonly #shortestMs: number;
  readonly #turns = atMost(TURNS_AT_ONCE);
  #waitMs: number;
  #waiting = 0;

  constructor(beginMs: number, shortestMs: number) {
    this.#waitMs = beginMs;
    this.#shortestMs = shortestMs;
  }

  /** After it has been asked for, the first look comes so late. */
  get waitMs(): number {
    return Math.max(this.#waitMs, this.leastMs);
  }

  /** Between two looks: the CA does what many wait for one after the other. */
  get leastMs(): number {
    return Math.min(this.#waiting * BETWEEN_LOOKS_MS, LONGEST_WAIT_MS);
  }

  /** Counts one more that waits, as long as it does. */
  async while<T>(wait: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    try {
      return await wait();
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Begins when few others have a turn; `work` may go on behind its own. */
  inTurn<T>(work: (turn: ValidationSlot) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const untilOver = (end: () => void) => work(turnOf(end)).then(resolve, reject).finally(end);
      void this.#turns(() => new Promise<void>((end) => void untilOver(end)));
    });
  }

  /** @param undoneMs when it was last seen to be not done; undefined: it was done at the first look. @param doneMs when it was seen to be */
  learn(undoneMs: number | undefined, doneMs: number): void {
    const nextMs =
      undoneMs === undefined
        ? this.#waitMs * SOONER
        : Math.max(this.#waitMs, Math.min(undoneMs, doneMs, this.#waitMs * MOST_LATER) * LATER);
    this.#waitMs = Math.min(Math.max(nextMs, this.#shortestMs), LONGEST_WAIT_MS);
  }
}

function turnOf(end: () => void): ValidationSlot {
  let isOver = false;
  return {
    sleep: async (ms, sleep) => {
      if (isOver || ms <= LONGEST_HELD_MS) return sleep(ms);
      isOver = true;
      await sleep(LONGEST_HELD_MS);
      end();
      await sleep(ms - LONGEST_HELD_MS);
    },
  };
}

/** What its polls stand under. */
export interface PollTiming extends Timing {
  /** Between two of them, at the least. */
  leastMs?: () => number;
}

/** One answer to a poll. */
export interface PollAnswer<T> {
  value: T;
  /** The header as the CA sent it. */
  retryAfter: string | undefined;
}

/**
 * @param what subject of the error's message
 * @throws AcmeDeadline if the next poll would come after the deadline, or later than a pass sleeps
 */
export async function pollUntil<T>(
  what: string,
  read: () => Promise<PollAnswer<T>>,
  isDone: (value: T) => boolean,
  timing: PollTiming,
): Promise<T> {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 1.6, LONGEST_WAIT_MS)) {
    const answer = await read();
    if (isDone(answer.value)) return answer.value;
    const now = timing.now();
    const retryAfter = parseRetryAfter(answer.retryAfter, now);
    const next = new Date(
      Math.max(retryAfter?.getTime() ?? 0, now.getTime() + Math.max(wait, timing.leastMs?.() ?? 0)),
    );
    const ms = next.getTime() - now.getTime();
    if (next >= timing.deadline || ms > LONGEST_SLEEP_MS) {
      throw new AcmeDeadline(`${what} is not done yet; the next pass goes on`, retryAfter);
    }
    await timing.sleep(ms);
  }
}
