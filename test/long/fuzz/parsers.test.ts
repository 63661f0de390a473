/** Every parser of something from outside, asked at random (fast-check): test/support/fuzz. `PEMFLEET_FUZZ_SECONDS` for each parser (default 10), `PEMFLEET_FUZZ_SEED` to repeat one. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { checkResource, RESOURCES, word } from '../../support/fuzz/acme-resources.ts';
import { checkInput, PARSERS } from '../../support/fuzz/parsers.ts';

const SECONDS = Number(process.env['PEMFLEET_FUZZ_SECONDS'] ?? 10);
const SEED = Number(process.env['PEMFLEET_FUZZ_SEED'] ?? Date.now() % 2 ** 31);
const LIMITS = {
  ...{ seed: SEED, numRuns: 10_000_000 },
  ...{ interruptAfterTimeLimit: SECONDS * 1000, markInterruptAsFailure: false },
};
const WITHIN = { timeout: (SECONDS + 120) * 1000 };

for (const [name, parser] of Object.entries(PARSERS)) {
  test(`${name}, seed ${SEED}`, WITHIN, (t) => {
    judge(
      t,
      fc.check(
        fc.property(parser.input, (given) => {
          checkInput(parser, given);
        }),
        LIMITS,
      ),
    );
  });
}

for (const [name, { input, read }] of Object.entries(RESOURCES)) {
  test(`ACME ${name}, seed ${SEED}`, WITHIN, async (t) => {
    const property = fc.asyncProperty(input, word, async (data, location) => {
      await checkResource(read, data, location);
    });
    judge(t, await fc.check(property, LIMITS));
  });
}

function judge<T>(t: TestContext, details: fc.RunDetails<T>): void {
  const { counterexample, errorInstance, failed, numRuns } = details;
  t.diagnostic(`${numRuns} runs`);
  const seen = JSON.stringify(counterexample)?.slice(0, 2000);
  const says = `seed ${SEED}, run ${numRuns}: ${seen}\n${String((errorInstance as Error)?.stack)}`;
  assert.equal(failed, false, says.slice(0, 4000));
  assert.ok(numRuns > 5, `${numRuns} runs`);
}
