/** Work that is dearer by the call than by the item: one lock, one conditional write for many. */

interface InLine<T, R> {
  item: T;
  resolve: (result: R) => void;
  reject: (error: unknown) => void;
}

/** Hands items to `run` in batches: each call takes all that are in line. A failure is the whole batch's. */
export class Batches<T, R> {
  readonly #run: (batch: readonly T[]) => Promise<R>;
  #line: InLine<T, R>[] = [];
  #isRunning = false;
  /** Something in line does not wait for others. */
  #isDue = false;

  constructor(run: (batch: readonly T[]) => Promise<R>) {
    this.#run = run;
  }

  /** Runs it at once, or in the next call if one is running. @returns the result of its batch */
  add(item: T): Promise<R> {
    const result = this.join(item);
    this.flush();
    return result;
  }

  /** The next call takes it along, whenever that is. @returns the result of its batch */
  join(item: T): Promise<R> {
    return new Promise((resolve, reject) => this.#line.push({ item, resolve, reject }));
  }

  /** Runs what is in line. */
  flush(): void {
    this.#isDue = true;
    if (!this.#isRunning) void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#isRunning = true;
    while (this.#isDue && this.#line.length > 0) {
      const batch = this.#line;
      this.#line = [];
      this.#isDue = false;
      try {
        const result = await this.#run(batch.map(({ item }) => item));
        for (const { resolve } of batch) resolve(result);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isDue = false;
    this.#isRunning = false;
  }
}
