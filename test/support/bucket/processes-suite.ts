/** What every bucket that has an address must do for several processes at once. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openBucket } from '#storage/open.ts';
import { runChild, startChild } from './start-child.ts';

const PROCESSES = 8;
const TIMES_EACH = 4;
const LARGE = 60_000;

/**
 * @param makeUrl address of an empty bucket of the test's own
 * @param envOf of the processes: their credentials
 */
export function bucketProcessesSuite(
  kind: string,
  makeUrl: (t: TestContext) => Promise<string>,
  envOf: () => Record<string, string> = () => ({}),
): void {
  test(`${kind}: eight processes that read, change and write at once lose no update`, async (t) => {
    const url = await makeUrl(t);

    const ended = await Promise.all(
      Array.from({ length: PROCESSES }, () =>
        runChild(t, ['increment', url, 'issuer/counter', String(TIMES_EACH)], { env: envOf() }),
      ),
    );

    assert.deepEqual(
      ended.filter(({ status }) => status !== 0),
      [],
    );
    const counter = await (await openBucket(url)).get('issuer/counter');
    assert.equal(counter?.body.toString(), String(PROCESSES * TIMES_EACH));
  });

  test(`${kind}: of eight processes that create at once, one succeeds`, async (t) => {
    const url = await makeUrl(t);
    const bodies = Array.from({ length: PROCESSES }, (_, index) => `process ${index}`);

    const told = await Promise.all(
      bodies.map((body) => runChild(t, ['put', url, 'issuer/a', body, '*'], { env: envOf() })),
    );

    const winners = bodies.filter((_, index) => told[index]?.stdout.includes('etag'));
    assert.equal(winners.length, 1);
    assert.equal((await (await openBucket(url)).get('issuer/a'))?.body.toString(), winners[0]);
  });

  test(`${kind}: a reader never sees half an object while a writer rewrites it`, async (t) => {
    const url = await makeUrl(t);
    const bucket = await openBucket(url);
    const writer = startChild(t, ['rewrite', url, 'issuer/large', String(LARGE)], { env: envOf() });
    await writer.ready;

    const seen = new Map<string, number>();
    for (let read = 0; read < 5_000 && seen.size < 3; read += 1) {
      const text = (await bucket.get('issuer/large'))?.body.toString() ?? 'missing';
      const what = text.length === LARGE && new Set(text).size === 1 ? text.slice(0, 1) : 'half';
      seen.set(what, (seen.get(what) ?? 0) + 1);
      if (Math.min(seen.get('a') ?? 0, seen.get('b') ?? 0) >= 100) break;
    }

    assert.deepEqual([...seen.keys()].sort(), ['a', 'b']);
    assert.equal((await writer.finish()).status, 0);
  });
}
