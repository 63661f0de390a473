// Bodies from outside: bounded in bytes and in time, whatever the chunks.
import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { readBody } from '#common/bounded-body.ts';

test('a body is read whole, in whatever chunks it comes', async () => {
  for (const size of [1, 7, 5_000]) {
    const text = 'pemfleet'.repeat(2_000);
    const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
      Buffer.from(text.slice(index * size, (index + 1) * size)),
    );

    const body = await readBody(Readable.from(chunks), { maxBytes: text.length });

    assert.equal(body.toString(), text);
  }
});

test('one byte more than the limit is refused, and the stream is destroyed', async () => {
  for (const declared of [undefined, '11']) {
    const stream = Readable.from([Buffer.from('01234'), Buffer.from('567890')]);

    await assert.rejects(readBody(stream, { maxBytes: 10, declared }), {
      name: 'BodyTooLarge',
      message: /^wanted at most 10 bytes, saw 11/,
    });
    assert.ok(stream.destroyed);
  }
});

test('a body that does not end in time is refused, and the stream is destroyed', async () => {
  const stream = new PassThrough();
  stream.write('a');

  await assert.rejects(readBody(stream, { maxBytes: 10, timeoutMs: 20 }), { name: 'TimeoutError' });
  assert.ok(stream.destroyed);
});
