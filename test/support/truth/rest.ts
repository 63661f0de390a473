// A sleep that ends when a test says so.

interface Sleeper {
  ms: number;
  end: () => void;
}

export class Rest {
  #sleeper: Sleeper | undefined;
  #onSleep: ((ms: number) => void)[] = [];

  readonly sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      this.#sleeper = { ms, end: resolve };
      for (const begun of this.#onSleep.splice(0)) begun(ms);
    });

  /** @returns for how long the sleeper wants to sleep, once it sleeps */
  begun(): Promise<number> {
    if (this.#sleeper !== undefined) return Promise.resolve(this.#sleeper.ms);
    return new Promise((resolve) => this.#onSleep.push(resolve));
  }

  readonly end = (): void => {
    const sleeper = this.#sleeper;
    this.#sleeper = undefined;
    sleeper?.end();
  };
}
