import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownProofs } from '../../../../agent/proof/known.ts';
import { namesInRotation } from '../../../../agent/proof/rotation.ts';

for (const [count, atOnce, rounds] of [
  [1, 1, 1],
  [2, 1, 2],
  [5, 1, 5],
  [12, 3, 4],
  [100, 20, 5],
  [400, 20, 20],
] as const) {
  test(`each of ${count} names is asked for within ${rounds} proofs, ${atOnce} at once`, () => {
    const names = Array.from({ length: count }, (_, index) => `n${index}.test`);

    const turns = Array.from({ length: rounds }, (_, turn) => namesInRotation(names, turn));

    assert.deepEqual(turns.flat(), names);
    assert.equal(Math.max(...turns.map(({ length }) => length)), atOnce);
    assert.deepEqual(namesInRotation(names, rounds), turns[0]);
  });
}

test('a name that has shown something else is asked for until it is right; the others have their turn then', () => {
  const known = new KnownProofs();
  const prove = (proved: string[]) =>
    known.note('shop.pem', 'a'.repeat(64), { proved, unproven: [] }, { at: 1, pid: 7 });

  prove(['127.0.0.1:443']);
  known.drop('shop.pem');
  const wrong = known.turnOf('shop.pem');
  prove([]);
  const unproven = known.turnOf('shop.pem');
  prove(['127.0.0.1:443']);

  assert.deepEqual([wrong, unproven, known.turnOf('shop.pem')], [1, 1, 2]);
});
