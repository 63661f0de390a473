/** The function's time-out is the deadline of a pass: close to it the pass starts no order, Lambda kills nothing, and the next pass continues. */
import assert from 'node:assert/strict';
import { type Cloud, startCloud } from '../aws/cloud/cloud.ts';
import { messagesOf, published } from '../aws/cloud/facts.ts';
import type { Invocation } from '../aws/lambda/function.ts';
import { startStory } from '../support/story.ts';

/** A pass keeps 50 of these seconds in reserve: an order needs 30, the end of a pass 20 (docs/aws.md). */
const TIMEOUT_MS = 54_000;
/** More than any machine can order in four seconds, two at a time. */
const NAMES = Array.from({ length: 30 }, (_, index) => `n${index}.example.test`).sort();
const CONFIG = {
  challenge: 'http-01',
  certificates: NAMES.map((name) => ({ identifiers: [name] })),
  more: { concurrency: 2 },
} as const;

let cloud: Cloud;
const chapter = startStory({
  deadlineMs: 300_000,
  start: async () => {
    cloud = await startCloud(CONFIG, { timeoutMs: TIMEOUT_MS });
  },
  stop: () => cloud?.stop(),
});

const issued = (pass: Invocation) => Number(messagesOf(pass).at(-1)?.['CertificatesIssued']);

chapter('a pass that runs out of time ends by itself, and the following passes do the rest', async () => {
  const passes: Invocation[] = [];
  for (let done = 0; done < NAMES.length && passes.length < NAMES.length; done = published(cloud).size) {
    passes.push(await cloud.pass());
  }

  const [first] = passes as [Invocation];
  const { outcomes } = JSON.parse(first.payload) as { outcomes: { result: string; reason?: string }[] };
  const left = outcomes.filter(({ result }) => result !== 'issued');
  assert.ok(issued(first) > 0 && left.length > 0, first.payload);
  assert.ok(left.every(({ result, reason }) => `${result} ${reason}` === 'postponed out-of-time'));
  for (const { ms } of passes) assert.ok(ms < TIMEOUT_MS - 20_000, `a pass took ${ms} ms`);
  assert.deepEqual(
    passes.map(({ initMs }) => initMs !== undefined),
    passes.map((_, index) => index === 0),
    'it was killed',
  );
  assert.equal(
    passes.map(issued).reduce((all, count) => all + count),
    NAMES.length,
  );
  assert.deepEqual([...published(cloud).keys()].sort(), NAMES);
});
