/** Which files a look takes: all, as long as that costs next to nothing; beyond, each within a span; never more than a core's hundredth. */

/** Of the agent for one file: a stat, HAProxy's description of it, the comparison (docs/bench.md, "watch"). */
const FILE_MS = 0.05;
/** So much of a core is nothing that anybody notices. */
const SMALL_SHARE = 0.002;
const MAX_SHARE = 0.01;

export interface LookRates {
  /** Between two looks. */
  everyMs: number;
  /** Within which each file is to be looked at. */
  withinMs: number;
  /** HAProxy on this host: they share what the agent may use. */
  instances: number;
}

/** Pure. @returns how many of `total` files a look takes */
export function portionSize(total: number, { everyMs, withinMs, instances }: LookRates): number {
  const affordable = (share: number) => Math.max(1, Math.floor((everyMs * share) / FILE_MS / instances));
  const wanted = Math.ceil(total * Math.min(1, everyMs / withinMs));
  return Math.min(total, affordable(MAX_SHARE), Math.max(wanted, affordable(SMALL_SHARE)));
}

/** Goes round a list that may change between two portions. */
export class Rotation {
  #last: string | undefined;

  /** @param names sorted */
  next(names: readonly string[], size: number): string[] {
    if (size >= names.length) return [...names];
    const last = this.#last;
    const from =
      last === undefined
        ? 0
        : Math.max(
            0,
            names.findIndex((name) => name > last),
          );
    const portion = [...names.slice(from), ...names.slice(0, from)].slice(0, size);
    this.#last = portion.at(-1);
    return portion;
  }
}
