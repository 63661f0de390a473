// Anybody may ask HAProxy for tokens: the CA gets its answers all the same. test/long/flood has larger floods, on all versions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { burstOf, floodOf } from '../../support/flood/flood.ts';

test('a flood of tokens that do not exist, from one source, stops no validation', async (t) => {
  const flood = { perSecond: 400, sources: 1, validations: 5 };

  const { failed, sent, answered } = await floodOf(t, { version: '3.2', ...flood });

  assert.deepEqual(failed, []);
  assert.ok(answered < sent / 2, `${answered} of ${sent} reached the responder`);
});

test('a CA that asks for 900 names at once gets 900 answers', async (t) => {
  assert.deepEqual(await burstOf(t, '2.6', { names: 900 }), []);
});

test('a CA that was made to ask for tokens of others gets its answers all the same', async (t) => {
  assert.deepEqual(await burstOf(t, '3.2', { names: 5, strangers: 200 }), []);
});
