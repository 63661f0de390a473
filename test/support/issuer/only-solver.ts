/** A pass with one solver, whatever is configured. */
import type { ChallengeSolver, Solvers } from '../../../lambda/challenge/solver.ts';

export function onlySolver(solver: ChallengeSolver): Solvers {
  return { of: async () => solver, close: async () => solver.close?.() };
}
