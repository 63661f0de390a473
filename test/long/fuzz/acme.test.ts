/** ACME resources as a CA may send them (fast-check): each is read, or is a typed error with a harmless message. `PEMFLEET_FUZZ_SECONDS`, `PEMFLEET_FUZZ_SEED`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { codeOf, messageOf } from '#contract/errors.ts';
import { getAuthorization, notValid } from '../../../lambda/acme/authorization.ts';
import type { AcmeClient } from '../../../lambda/acme/client.ts';
import { readDirectory } from '../../../lambda/acme/directory.ts';
import { newOrder } from '../../../lambda/acme/order.ts';
import { noon } from '../../support/clock.ts';

const SECONDS = Number(process.env['PEMFLEET_FUZZ_SECONDS'] ?? 10);
const SEED = Number(process.env['PEMFLEET_FUZZ_SEED'] ?? Date.now() % 2 ** 31);

const text = fc.oneof(
  fc.constantFrom(
    'constructor',
    '__proto__',
    'valid',
    'pending',
    'invalid',
    'https://ca.test/1',
    '\u001b[2J\n\u202e',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
const odd = fc.oneof(
  { weight: 4, arbitrary: text },
  fc.constantFrom(null, true, [], {}, 1e308),
  fc.jsonValue({ maxDepth: 3 }),
);
const listOf = (one: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 4, arbitrary: fc.array(one, { maxLength: 4 }) }, odd);
const recordOf = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.oneof({ weight: 9, arbitrary: fc.record(fields, { requiredKeys: [] }) }, odd);
const identifier = recordOf({ type: odd, value: text });
const problem = recordOf({
  type: text,
  detail: odd,
  identifier,
  subproblems: listOf(recordOf({ type: odd, identifier })),
});

/** Answers each request with this, and with that URL in Location. */
const clientWith = (data: unknown, location: string) =>
  ({
    directory: { newOrder: 'https://ca.test/new' },
    post: async () => ({ status: 200, headers: { location }, data }),
  }) as unknown as AcmeClient;

const RESOURCES: Record<
  string,
  [input: fc.Arbitrary<unknown>, read: (data: unknown, word: string) => Promise<unknown>]
> = {
  orders: [
    recordOf({
      status: text,
      identifiers: listOf(identifier),
      authorizations: listOf(text),
      finalize: text,
      expires: odd,
      error: problem,
    }),
    async (data, word) => {
      const { url } = await newOrder(clientWith(data, word), { identifiers: [] });
      assert.ok(url.startsWith('https:'));
    },
  ],
  authorizations: [
    recordOf({
      status: text,
      identifier,
      wildcard: odd,
      challenges: listOf(recordOf({ type: text, url: text, token: text, status: text, error: problem })),
    }),
    async (data) => {
      throw notValid(await getAuthorization(clientWith(data, ''), 'https://ca.test/1'));
    },
  ],
  directories: [
    recordOf({ newNonce: text, newAccount: text, newOrder: text, renewalInfo: odd, meta: odd }),
    (data) =>
      readDirectory(
        async () => ({ status: 200, headers: {}, data }),
        'https://ca.test/',
        () => noon,
      ),
  ],
};

for (const [name, [input, read]] of Object.entries(RESOURCES)) {
  test(`ACME ${name}, seed ${SEED}`, { timeout: (SECONDS + 120) * 1000 }, async () => {
    const property = fc.asyncProperty(input, text, async (data, word) => {
      try {
        await read(data, word);
      } catch (error) {
        if (error instanceof assert.AssertionError || !/^ERR_(ACME|AUTHORIZATION)/.test(codeOf(error)))
          throw error;
        assert.doesNotMatch(messageOf(error), /[\p{C}\p{Zl}\p{Zp}]/u);
      }
    });
    const limits = {
      interruptAfterTimeLimit: SECONDS * 1000,
      numRuns: 10_000_000,
      markInterruptAsFailure: false,
    };
    const { counterexample, errorInstance, failed, numRuns } = await fc.check(property, {
      seed: SEED,
      ...limits,
    });

    const says = `seed ${SEED}, run ${numRuns}: ${JSON.stringify(counterexample)}\n${String((errorInstance as Error)?.stack)}`;
    assert.equal(failed, false, says.slice(0, 3000));
    assert.ok(numRuns > 5, `${numRuns} runs`);
  });
}
