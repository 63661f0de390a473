/**
 * Stateless HTTP-01: every HAProxy answers `<token>.<thumbprint>` itself (docs/http-01.md), so there is nothing to
 * present and nothing to remove, on any number of hosts. The holder of the account key can validate any name there.
 */
import type { ChallengeSolver } from './solver.ts';

export const statelessSolver: ChallengeSolver = {
  type: 'http-01',
  present: async () => undefined,
  cleanUp: async () => undefined,
};
