import assert from 'node:assert/strict';
import { test } from 'node:test';
import { portionSize, Rotation } from '../../../../agent/watch/portions.ts';

const rates = { everyMs: 60_000, withinMs: 60_000, instances: 1 };

test('each file at each poll, as long as a core has a hundredth for it; then as many as that allows', () => {
  assert.equal(portionSize(2000, rates), 2000);
  assert.equal(portionSize(10_000, rates), 10_000);
  const most = portionSize(100_000, rates);
  assert.ok(most > 10_000 && most < 15_000);
  assert.equal(portionSize(100_000, { ...rates, instances: 4 }), Math.floor(most / 4));
});

test('many polls within the span share the files; few files are looked at by each of them', () => {
  assert.equal(portionSize(6000, { ...rates, everyMs: 10_000 }), 1000);
  assert.equal(portionSize(200, { ...rates, everyMs: 10_000 }), 200);
  assert.equal(portionSize(0, rates), 0);
  assert.equal(portionSize(5, { ...rates, everyMs: 1 }), 1, 'never none');
});

test('each has its chance, also where files come and go', () => {
  const rotation = new Rotation();
  const names = ['a', 'b', 'c', 'd', 'e'];

  assert.deepEqual(rotation.next(names, 2), ['a', 'b']);
  assert.deepEqual(rotation.next(names, 2), ['c', 'd']);
  assert.deepEqual(rotation.next(names, 2), ['e', 'a']);
  assert.deepEqual(rotation.next(['a', 'aa', 'c', 'd'], 2), ['aa', 'c']);
  assert.deepEqual(rotation.next(['a', 'b'], 2), ['a', 'b']);
  assert.deepEqual(rotation.next([], 2), []);
});
