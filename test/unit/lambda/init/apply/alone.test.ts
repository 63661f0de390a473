/** The lock of init, adopt and go-live. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { takeFileLock } from '#storage/file-lock.ts';
import { aloneAtSetup } from '../../../../../lambda/init/apply/alone.ts';
import { tempDir } from '../../../../support/temp-dir.ts';

const REFUSED =
  /wanted to be the only init, adopt or go-live at work, saw \S+: is held by another process for 1 s \(pid \d+.*nothing was changed$/;

const NOBODY = 65534;

for (const { there, uid, title, refused } of [
  { there: true, uid: NOBODY, title: 'the directory is there', refused: REFUSED },
  {
    there: false,
    uid: NOBODY,
    title: 'the first run makes it',
    refused: /is held by another process for 10 s/,
  },
  { there: true, uid: 0, title: 'of root', refused: REFUSED },
  { there: false, uid: 0, title: 'of root, the first run makes it', refused: REFUSED },
]) {
  test(`of two runs at once the second is refused, and begins nothing: ${title}`, async (t) => {
    const etc = join(tempDir(t), 'etc');
    const values = { config: join(etc, 'pemfleet/pemfleet.yaml'), 'dry-run': false };
    mkdirSync(there ? join(etc, 'pemfleet') : etc, { recursive: true });
    const runDirectory = tempDir(t);
    const begun: string[] = [];
    const run = (name: string, work: () => Promise<void>) => {
      const begin = async () => {
        begun.push(name);
        mkdirSync(join(etc, 'pemfleet'), { recursive: true });
        await work();
      };
      return aloneAtSetup(values, begin, { uid, runDirectory });
    };

    await run('first', () =>
      assert.rejects(
        run('second', async () => {}),
        refused,
      ),
    );
    await run('third', async () => {});

    assert.deepEqual(begun, ['first', 'third']);
  });
}

test('somebody who holds the directory of pemfleet.yaml, which all may open, keeps root from nothing; no lock stays', async (t) => {
  const home = tempDir(t);
  const values = { config: join(home, 'pemfleet.yaml'), 'dry-run': false };
  const runDirectory = tempDir(t);
  const stranger = await takeFileLock(home, 1_000);
  t.after(() => stranger.release());

  const work = async () => readdirSync(runDirectory);
  const locks = await aloneAtSetup(values, work, { uid: 0, runDirectory });

  assert.match(locks.join(), /^pemfleet-setup-[0-9a-f]{16}\.lock$/);
  assert.deepEqual(readdirSync(runDirectory), []);
});

test('who has waited for a lock that went with its holder takes the next one: nobody is at work beside him', async (t) => {
  const values = { config: join(tempDir(t), 'pemfleet.yaml'), 'dry-run': false };
  const runDirectory = tempDir(t);
  let atWork = 0;
  const seen: number[] = [];
  const work = async () => {
    atWork += 1;
    seen.push(atWork);
    await setTimeout(30);
    atWork -= 1;
  };

  await Promise.all(Array.from({ length: 6 }, () => aloneAtSetup(values, work, { uid: 0, runDirectory })));

  assert.deepEqual(seen, [1, 1, 1, 1, 1, 1]);
});

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
