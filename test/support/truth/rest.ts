// A sleep that ends when a test says so.

interface Sleeper {
  /** In ms since 1970, by the clock of the test. */
  until: number;
  end: () => void;
}

export class Rest {
  readonly #now: () => Date;
  #sleeper: Sleeper | undefined;
  #onSleep: ((until: number) => void)[] = [];

  constructor(now: () => Date) {
    this.#now = now;
  }

  readonly sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const until = this.#now().getTime() + ms;
      this.#sleeper = { until, end: resolve };
      for (const begun of this.#onSleep.splice(0)) begun(until);
    });

  /** @returns until when the sleeper wants to sleep, once it sleeps */
  begun(): Promise<number> {
    if (this.#sleeper !== undefined) return Promise.resolve(this.#sleeper.until);
    return new Promise((resolve) => this.#onSleep.push(resolve));
  }

  readonly end = (): void => {
    const sleeper = this.#sleeper;
    this.#sleeper = undefined;
    sleeper?.end();
  };
}
