import assert from 'node:assert/strict';
import { test } from 'node:test';
import { showCrtListOnce } from '../../../../agent/deploy/load.ts';
import { portionsOf } from '../../../../agent/haproxy/showing.ts';

const name = (length: number) => 'x'.repeat(length);

const rows: [says: string, lengths: number[], wanted: number[]][] = [
  ['none', [], []],
  ['one', [40], [1]],
  ['as many as fill a line to its end', Array.from({ length: 32 }, () => 40), [32]],
  ['one more', Array.from({ length: 33 }, () => 40), [32, 1]],
  ['one that is too long for any line stands alone', [40, 3000, 40], [1, 1, 1]],
];
for (const [says, lengths, wanted] of rows) {
  test(`names on a line of commands: ${says}`, () => {
    const names = lengths.map(name);

    const portions = portionsOf(names);

    assert.deepEqual(
      portions.map(({ length }) => length),
      wanted,
    );
    assert.deepEqual(portions.flat(), names);
  });
}

test('a crt-list is asked for once for several; a failure is that of one', async () => {
  let asked = 0;
  const showCrtList = showCrtListOnce({
    showCrtList: async () => {
      asked += 1;
      if (asked === 1) throw new Error('not in time');
      return new Map();
    },
  });

  await assert.rejects(showCrtList('/l'), /not in time/);
  await Promise.all([await showCrtList('/l'), await showCrtList('/l'), await showCrtList('/m')]);

  assert.equal(asked, 3);
});
