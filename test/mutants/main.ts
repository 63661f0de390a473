/**
 * `npm run test:mutants [-- --only WORD | --tenth N]`: breaks a rule of the source by one small change, and expects that the test that
 * names the rule fails by an assertion; then the next. It works on a copy of the checkout. Exit status 1: a mutant lives; 2: a usage error.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CheckoutCopy } from './checkout-copy.ts';
import { type Mutant, tenthOf } from './mutant.ts';
import { MUTANTS } from './mutants.ts';
import { failedAssertions, passedTests } from './run-test.ts';

const print = (line: string) => void process.stdout.write(`${line}\n`);

function refuse(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function chosenMutants(): readonly Mutant[] {
  const { values } = parseArgs({ options: { only: { type: 'string' }, tenth: { type: 'string' } } });
  const { only = '', tenth } = values;
  if (tenth !== undefined && !/^\d+$/.test(tenth)) refuse(`--tenth wants a number, saw ${tenth}`);
  const turn = tenth === undefined ? MUTANTS : tenthOf(MUTANTS, Number(tenth));
  const chosen = turn.filter(({ rule, file, test }) => `${rule} ${file} ${test}`.includes(only));
  if (chosen.length === 0) refuse(`no mutant has ${only} in its rule, file or test`);
  return chosen;
}

/** @returns why the mutant lives; `undefined`: it is killed */
async function whyAlive(copy: CheckoutCopy, mutant: Mutant): Promise<string | undefined> {
  const restore = copy.apply(mutant);
  try {
    const { failed, others } = await failedAssertions(copy.path, mutant.test);
    if (failed.some((title) => title.includes(mutant.title))) return undefined;
    const saw = [...failed.map((title) => `failed: ${title}`), ...others].join('; ');
    return saw === '' ? 'no test failed' : `another failure than an assertion of that test (${saw})`;
  } finally {
    restore();
  }
}

/** What fails without a change would kill every mutant. @returns what is wrong */
async function whyUnfit(copy: CheckoutCopy, mutants: readonly Mutant[]): Promise<string[]> {
  const [first] = mutants;
  if (first === undefined) return [];
  const titles = await passedTests(copy.path, first.test);
  return mutants
    .filter(({ title }) => !titles.some((passed) => passed.includes(title)))
    .map(
      ({ rule, test, title }) =>
        `${rule}: no test of ${test} passes here that has "${title}" in its title${hintOf(test)}`,
    );
}

const hintOf = (test: string) =>
  test.startsWith('test/cdk/') && !existsSync('dist') ? ': it needs npm run build' : '';

async function main(): Promise<void> {
  const mutants = chosenMutants();
  const copy = new CheckoutCopy();
  process.once('exit', () => copy.remove());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const wrong = MUTANTS.flatMap((mutant) => copy.problemOf(mutant) ?? []);
  const byTest = groupedByTest(mutants);
  print(`${mutants.length} of ${MUTANTS.length} mutants, ${byTest.size} test files`);
  if (wrong.length === 0) {
    for (const [test, group] of byTest) {
      const missing = existsSync(test) ? await whyUnfit(copy, group) : [`${test} is not there`];
      wrong.push(...missing);
      for (const mutant of missing.length > 0 ? [] : group) {
        const why = await whyAlive(copy, mutant);
        print(`${why === undefined ? 'killed' : 'LIVES '} | ${mutant.rule} | ${mutant.file} | ${test}`);
        if (why !== undefined) wrong.push(`${mutant.rule} (${mutant.file}) lives: ${why}`);
      }
    }
  }
  for (const line of wrong) print(`wrong: ${line}`);
  print(wrong.length === 0 ? 'all killed' : `${wrong.length} wrong`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}

function groupedByTest(mutants: readonly Mutant[]): Map<string, Mutant[]> {
  const groups = new Map<string, Mutant[]>();
  for (const mutant of mutants) groups.set(mutant.test, [...(groups.get(mutant.test) ?? []), mutant]);
  return groups;
}

await main();
