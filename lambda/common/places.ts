/** A limit on how much works at once, against which nothing counts that only waits. */

export class Places {
  #free: number;
  readonly #line: (() => void)[] = [];
  readonly #returning: (() => void)[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  /** @param isReturning goes before those who have not begun */
  async take(isReturning = false): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => (isReturning ? this.#returning : this.#line).push(resolve));
  }

  /** Hands the place on to who has waited longest. */
  give(): void {
    const next = this.#returning.shift() ?? this.#line.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/** One place, and who works there. */
export class Place {
  readonly #places: Places;
  #isHeld = true;
  #isLeft = false;
  #waits = 0;

  constructor(places: Places) {
    this.#places = places;
  }

  /** Another one works here until all waits that run beside each other are over. A place that was left is not taken again. */
  async whileWaiting<T>(wait: () => Promise<T>): Promise<T> {
    this.#waits += 1;
    if (this.#isHeld) this.#give();
    try {
      return await wait();
    } finally {
      this.#waits -= 1;
      if (this.#waits === 0 && !this.#isLeft) await this.#takeAgain();
    }
  }

  leave(): void {
    this.#isLeft = true;
    if (this.#isHeld) this.#give();
  }

  #give(): void {
    this.#isHeld = false;
    this.#places.give();
  }

  /** The work may have ended, or gone on waiting, until there is one. */
  async #takeAgain(): Promise<void> {
    await this.#places.take(true);
    if (this.#isLeft || this.#isHeld) this.#places.give();
    else this.#isHeld = true;
  }
}
