/** All mutants. Whoever changes a line that stands in one of these tables changes it there, too. */
import { AGENT_MUTANTS } from './agent-mutants.ts';
import { FIGURE_MUTANTS } from './figure-mutants.ts';
import { ISSUER_MUTANTS } from './issuer-mutants.ts';
import type { Mutant } from './mutant.ts';

export const MUTANTS: readonly Mutant[] = [...ISSUER_MUTANTS, ...FIGURE_MUTANTS, ...AGENT_MUTANTS];
