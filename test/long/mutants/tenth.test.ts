// A tenth of the mutants, another one each day: `npm run test:mutants` has all of them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { turnOf } from '../../support/turn.ts';

const main = fileURLToPath(new URL('../../mutants/main.ts', import.meta.url));

test("the day's tenth of the mutants is killed, each by the test that names its rule", (t) => {
  const turn = turnOf(10);

  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', main, '--tenth', String(turn)],
    { encoding: 'utf8' },
  );

  t.diagnostic(`npm run test:mutants -- --tenth ${turn}\n${stdout}`);
  assert.equal(status, 0, `--tenth ${turn}:\n${stdout}${stderr}`);
});
