/** Limits on how much work runs at once; what only waits does not count against them. */

/** Runs at most `limit` pieces of work at once; the others wait in line. */
export function atMost(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  const line: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => line.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      // While others wait, this one hands its place on instead of giving it back.
      const next = line.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

/** So many give up their places at once: each of them has what it works on in memory, and all of them have to come to an end. */
const MOST_AWAY = 500;

/** So many places, and who waits for one. */
class Places {
  #free: number;
  #away = 0;
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

  /** For a while, where not too many are away. @returns false: the place is kept */
  lend(): boolean {
    if (this.#away >= MOST_AWAY) return false;
    this.#away += 1;
    this.give();
    return true;
  }

  /** Who was away has a place again, or needs none any more. */
  comeBack(): void {
    this.#away -= 1;
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

  /**
   * Another one works here until all waits that run beside each other are over, unless too many wait already. A place that was left is not
   * taken again.
   */
  async whileWaiting<T>(wait: () => Promise<T>): Promise<T> {
    this.#waits += 1;
    if (this.#isHeld) this.#isHeld = !this.#places.lend();
    try {
      return await wait();
    } finally {
      this.#waits -= 1;
      if (this.#waits === 0 && !this.#isLeft && !this.#isHeld) await this.#takeAgain();
    }
  }

  leave(): void {
    this.#isLeft = true;
    if (this.#isHeld) this.#places.give();
    else this.#places.comeBack();
    this.#isHeld = false;
  }

  /** The work may have ended, or gone on waiting, until there is one. */
  async #takeAgain(): Promise<void> {
    await this.#places.take(true);
    if (this.#isLeft || this.#isHeld) return this.#places.give();
    this.#isHeld = true;
    this.#places.comeBack();
  }
}

/**
 * Works on `limit` groups at once, and on the items of a group one after another. Where an item fails, no further group
 * takes its place: a fault that all items share ends after `limit` of them.
 * @param work may give its place to another group while it only waits
 * @returns the results in the order of `items`
 */
export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, place: Place) => Promise<R>,
  groupOf: (item: T) => string,
): Promise<R[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(groupOf(item), [...(groups.get(groupOf(item)) ?? []), item]);
  const results = new Map<T, R>();
  const places = new Places(limit);
  const workThrough = async (group: readonly T[]) => {
    await places.take();
    const place = new Place(places);
    for (const item of group) results.set(item, await work(item, place));
    place.leave();
  };
  await Promise.all([...groups.values()].map(workThrough));
  return items.flatMap((item) => results.get(item) ?? []);
}
