/** Who is right, where systemd has the word. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isUnitOfSystemd, rightOwner } from '../../../../../lambda/common/user/right-user.ts';

const rows = [
  ['a unit', 1, { INVOCATION_ID: 'a1' }, true],
  ['a job of cron, itself a unit', 4711, { INVOCATION_ID: 'a1' }, false],
  ['the first process of a container', 0, {}, false],
  ['a child of the first process of a container', 1, {}, false],
] as const;
for (const [title, parent, env, expected] of rows) {
  test(`the user of a unit is not changed, that of a command line is: ${title}`, () => {
    assert.equal(isUnitOfSystemd(parent, env), expected);
  });
}

test('a unit without User= runs as root: root is the right owner, whoever has the directory', async () => {
  assert.equal((await rightOwner('/nowhere', ''))?.uid, 0);
});
