/**
 * dns-persist-01 (draft-ietf-acme-dns-persist): the record was published once, by a person or by the CDK construct, and stays. Nothing is
 * written here: what the CA will look for is looked up before it is asked, so that a missing record costs no failed validation.
 */
import { DnsFailed } from './errors.ts';
import { persistName, persistProblem, persistValue } from './persist-record.ts';
import type { ChallengeSolver, PersistTerms, PresentedChallenge } from './solver.ts';
import type { TxtLookup } from './txt-lookup.ts';

export class PersistSolver implements ChallengeSolver {
  readonly type = 'dns-persist-01';
  readonly leavesNothing = true;
  readonly #lookup: TxtLookup;
  readonly #now: () => Date;

  constructor(lookup: TxtLookup, now: () => Date) {
    this.#lookup = lookup;
    this.#now = now;
  }

  /** @throws DnsFailed `ERR_DNS_RECORD` with the record to publish, for the first name that lacks it */
  async present(challenges: readonly PresentedChallenge[]): Promise<void> {
    const ends = await Promise.allSettled(
      challenges.map(({ identifier, persist }) => persist && this.#check(identifier, persist)),
    );
    const failed = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
    if (failed.length === 0) return;
    const [first] = failed;
    if (failed.length === 1 || !(first instanceof DnsFailed)) throw first;
    const others = failed.slice(1).map((error) => (error as Error).message);
    throw new DnsFailed(first.code, [first.message, ...others].join('; '), { cause: first });
  }

  async cleanUp(): Promise<void> {}

  async locations(identifiers: readonly string[]): Promise<string[]> {
    return [...new Set(identifiers)].map(
      (identifier) => `${persistName(identifier)} (pemfleet dns-records shows what it has to say)`,
    );
  }

  async #check(identifier: string, terms: PersistTerms): Promise<void> {
    const name = persistName(identifier);
    const isFine = (values: readonly string[]) => persistProblem(values, terms, this.#now()) === undefined;
    const values = await this.#lookup(name, isFine);
    const problem = persistProblem(values, terms, this.#now());
    if (problem === undefined) return;
    throw new DnsFailed(
      'ERR_DNS_RECORD',
      `wanted TXT "${persistValue(terms)}" at ${name}: ${problem}; publish it, it stays`,
    );
  }
}
