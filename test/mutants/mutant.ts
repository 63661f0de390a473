/** Rules of the source, and for each of them the one small change that breaks it. */
export interface Mutant extends Change {
  /** Path from the root of the checkout. */
  file: string;
  /** The test file that must fail. */
  test: string;
}

interface Change {
  /** What is promised. */
  rule: string;
  /** Stands once in the file. */
  before: string;
  after: string;
  /** Part of the title of the test that names the rule. */
  title: string;
}

/** [rule, before, after, title]. */
export type ChangeRow = readonly [string, string, string, string];

/** @param file whose changes fail this test */
export function mutantsOf(file: string, test: string, rows: readonly ChangeRow[]): Mutant[] {
  return rows.map(([rule, before, after, title]) => ({ rule, file, before, after, test, title }));
}

/** @returns why it cannot be applied to the text */
export function misfitOf({ rule, file, before, after }: Mutant, text: string): string | undefined {
  const times = text.split(before).length - 1;
  if (times === 1 && before !== after) return undefined;
  return `${rule}: wanted once in ${file}, saw ${times} times: ${before}`;
}

/** Each mutant is in one of ten. */
export function tenthOf<M>(mutants: readonly M[], number: number): M[] {
  return mutants.filter((_mutant, index) => index % 10 === number % 10);
}
