/** Orders of one pass that run at the same time, in virtual time: as many as pass/issuing/issue-all.ts begins. */
import { SECOND_MS } from '#common/time.ts';
import { isBatched } from '../challenge/solver.ts';
import type { ChallengeName } from '../config/challenge.ts';

/** From newOrder to the certificate: validation from several places of the world takes seconds, Route 53 up to a minute. */
const [USUAL_MS, BATCHED_MS] = [10 * SECOND_MS, 60 * SECOND_MS];
/** The issuer waits for any number of DNS records together; a machine and a CA can do so many. */
const BATCHED_AT_ONCE = 100;

export interface LaneOptions {
  concurrency: number;
  /** In place of what is usual. */
  orderMs?: number | undefined;
}

/** One of the places, and how long an order takes there. */
export interface Lane {
  /** In ms since the epoch. */
  freeAt: number;
  orderMs: number;
}

export class Lanes {
  readonly #batched: Lane[];
  readonly #others: Lane[];

  constructor({ concurrency, orderMs }: LaneOptions, begin: number) {
    const make = (count: number, usualMs: number) =>
      Array.from({ length: count }, () => ({ freeAt: begin, orderMs: orderMs ?? usualMs }));
    this.#batched = make(BATCHED_AT_ONCE, BATCHED_MS);
    this.#others = make(concurrency, USUAL_MS);
  }

  /** The place that is free first. */
  next(challenge: ChallengeName | undefined): Lane {
    return this.#of(challenge).reduce((first, lane) => (lane.freeAt < first.freeAt ? lane : first));
  }

  /** When the last order ends. */
  get lastEnd(): number {
    return Math.max(...[...this.#batched, ...this.#others].map(({ freeAt }) => freeAt));
  }

  /** Orders of these challenges that fit into a pass at the most. */
  capacity(passMs: number, challenges: ReadonlySet<ChallengeName | undefined>): number {
    const lanes = new Set([...challenges].flatMap((challenge) => this.#of(challenge)));
    return [...lanes].reduce((sum, { orderMs }) => sum + Math.ceil(passMs / orderMs), 0);
  }

  /** For people. */
  text(challenge: ChallengeName | undefined): string {
    const lanes = this.#of(challenge);
    const seconds = Math.round((lanes[0]?.orderMs ?? 0) / SECOND_MS);
    return `${lanes.length} orders at the same time of ${seconds} s each`;
  }

  #of(challenge: ChallengeName | undefined): readonly Lane[] {
    return isBatched(challenge) ? this.#batched : this.#others;
  }
}
