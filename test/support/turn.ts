import { DAY_MS } from '#common/time.ts';

/**
 * What is too long for each run is dealt to days: all of it within so many of them.
 * @param shares how many
 * @returns that of today, from 0 on, or of `PEMFLEET_TURN=N`, which repeats another day's
 */
export function turnOf(shares: number): number {
  return Number(process.env['PEMFLEET_TURN'] ?? Math.floor(Date.now() / DAY_MS)) % shares;
}

/** Those of `all` whose turn it is. */
export function shareOf<One>(all: readonly One[], shares: number): One[] {
  const turn = turnOf(shares);
  return all.filter((_, index) => index % shares === turn);
}
