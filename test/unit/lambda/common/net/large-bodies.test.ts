/** Large bodies are read one after another, small ones wait for nobody, and one that fails lets the next one begin. */
import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
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

test('a signal ends the wait of a large body, and its stream; the next one still waits for its turn', async () => {
  const options = { maxBytes: LARGE, declared: `${LARGE}` };
  const [slow, aborted, next] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const ends: string[] = [];
  const first = readBody(slow, options).then(() => ends.push('first'));
  const gone = new AbortController();
  const second = readBody(aborted, { ...options, signal: gone.signal });
  const third = readBody(next.end(Buffer.alloc(LARGE)), options).then(() => ends.push('third'));

  gone.abort(new Error('the pass is over'));
  await assert.rejects(second, { message: 'the pass is over' });
  assert.ok(aborted.destroyed);
  await turn();
  assert.deepEqual(ends, [], 'the first one is still being read');
  slow.end(Buffer.alloc(LARGE));
  await Promise.all([first, third]);

  assert.deepEqual(ends, ['first', 'third']);
  await assert.rejects(readBody(new PassThrough(), { ...options, signal: gone.signal }), /the pass is over/);
});

test('a large body takes its own bytes, and not those of its chunks once more', async () => {
  const [bytes, chunk] = [32 * 2 ** 20, 65_536];
  const externalMb = () => process.memoryUsage().external / 2 ** 20;
  const peaks: number[] = [];
  async function* content() {
    for (let sent = 0; sent < bytes; sent += chunk) {
      peaks.push(externalMb());
      yield Buffer.alloc(chunk, 'x');
      // As of a file or a socket.
      await turn();
    }
  }

  const body = await readBody(Readable.from(content()), { maxBytes: bytes, declared: `${bytes}` });

  const [start = 0] = peaks;
  assert.equal(body.length, bytes);
  assert.ok(Math.max(...peaks) - start < 12, `${start} MB, then ${Math.max(...peaks)} MB`);
});
