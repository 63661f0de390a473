/** The lock of init, adopt and go-live. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { aloneAtSetup } from '../../../../../lambda/init/apply/alone.ts';
import { tempDir } from '../../../../support/temp-dir.ts';

const REFUSED =
  /wanted to be the only init, adopt or go-live at work, saw \S+: is held by another process for 1 s \(pid \d+.*nothing was changed$/;

for (const { there, title } of [
  { there: true, title: 'the directory is there' },
  { there: false, title: 'the first run makes it' },
]) {
  test(`of two runs at once the second is refused, and begins nothing: ${title}`, async (t) => {
    const etc = join(tempDir(t), 'etc');
    const values = { config: join(etc, 'pemfleet/pemfleet.yaml'), 'dry-run': false };
    mkdirSync(there ? join(etc, 'pemfleet') : etc, { recursive: true });
    const begun: string[] = [];
    const run = (name: string, work: () => Promise<void>) =>
      aloneAtSetup(values, async () => {
        begun.push(name);
        mkdirSync(join(etc, 'pemfleet'), { recursive: true });
        await work();
      });

    await run('first', () =>
      assert.rejects(
        run('second', async () => {}),
        there ? REFUSED : /is held by another process for 10 s/,
      ),
    );
    await run('third', async () => {});

    assert.deepEqual(begun, ['first', 'third']);
  });
}

test('runs on other directories, dry runs, and the next one after an undo that took the directory away, go on', async (t) => {
  const home = tempDir(t);
  const valuesOf = (name: string) => ({ config: join(home, name, 'pemfleet.yaml'), 'dry-run': false });
  for (const name of ['one', 'two']) mkdirSync(join(home, name));

  const seen = await aloneAtSetup(valuesOf('one'), async () => [
    await aloneAtSetup(valuesOf('two'), async () => 'two'),
    await aloneAtSetup({ ...valuesOf('one'), 'dry-run': true }, async () => 'dry run'),
    rmSync(join(home, 'one'), { recursive: true }),
  ]);
  const after = await aloneAtSetup(valuesOf('one'), async () => existsSync(join(home, 'one')));

  assert.deepEqual([seen, after], [['two', 'dry run', undefined], false]);
});
