/** Large bodies are read one after another, small ones wait for nobody, and one that fails lets the next one begin. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { readBody } from '#common/bounded-body.ts';

const LARGE = 5 * 2 ** 20;

test('large bodies: one at a time, in their order', async () => {
  const events: string[] = [];
  const read = async (name: string, bytes: number, ends = true) => {
    async function* content() {
      events.push(`${name} begins`);
      await turn();
      if (!ends) throw new Error('reset');
      yield Buffer.alloc(bytes);
    }
    const options = { maxBytes: 2 * LARGE, declared: `${bytes}` };
    await readBody(Readable.from(content()), options).catch(() => undefined);
    events.push(`${name} ends`);
  };

  await Promise.all([read('a', LARGE), read('b', LARGE, false), read('small', 100), read('c', LARGE)]);

  const large = events.filter((event) => !event.startsWith('small'));
  assert.deepEqual(large, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  assert.ok(events.indexOf('small ends') < events.indexOf('b begins'), events.join(', '));
});
