// What `doctor --fix` must not touch: whoever owns a directory may put anything where a file was.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { applyRepair } from '#common/user/repair.ts';
import { tempDir } from '../../support/temp-dir.ts';

function stage(t: TestContext) {
  const dir = tempDir(t);
  const [state, outside] = [join(dir, 'state'), join(dir, 'outside')];
  for (const folder of [state, join(state, 'fleet'), outside]) mkdirSync(folder);
  const [shadow, file] = [join(outside, 'shadow'), join(state, 'fleet', 'shadow')];
  for (const path of [shadow, file]) {
    writeFileSync(path, 'secret');
    chmodSync(path, 0o640);
  }
  const bits = (path: string) => statSync(path).mode & 0o7777;
  return { state, outside, shadow, file, bits };
}

const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];

test('a file, a directory and the root itself are changed, exactly as said', async (t) => {
  const { state, file, bits } = stage(t);

  await applyRepair({ path: file, within: state, owner: { uid, gid }, mode: 0o600 });
  await applyRepair({ path: join(state, 'fleet'), within: state, mode: 0o700 });
  await applyRepair({ path: state, within: state, mode: 0o711 });
  await applyRepair({
    path: join(state, 'new'),
    within: join(state, 'new'),
    owner: { uid, gid },
    mode: 0o700,
    isNew: true,
  });

  assert.deepEqual(
    [bits(file), bits(join(state, 'fleet')), bits(state), bits(join(state, 'new'))],
    [0o600, 0o700, 0o711, 0o700],
  );
});

const REFUSED: readonly [says: string, plant: (place: ReturnType<typeof stage>) => void, why: RegExp][] = [
  [
    'a link where the file was',
    ({ file, shadow }) => {
      renameSync(file, `${file}.away`);
      symlinkSync(shadow, file);
    },
    /ELOOP/,
  ],
  [
    'a link where its directory was',
    ({ state, outside }) => {
      renameSync(join(state, 'fleet'), join(state, 'away'));
      symlinkSync(outside, join(state, 'fleet'));
    },
    /lies elsewhere: \S+outside\/shadow/,
  ],
  [
    "another file's second name",
    ({ file, shadow }) => {
      renameSync(file, `${file}.away`);
      linkSync(shadow, file);
    },
    /has 2 names/,
  ],
  [
    'a FIFO, which would hold it up',
    ({ file }) => {
      renameSync(file, `${file}.away`);
      execFileSync('mkfifo', [file]);
    },
    /no plain file/,
  ],
];

for (const [says, plant, why] of REFUSED) {
  test(`${says}: nothing is changed`, async (t) => {
    const place = stage(t);
    plant(place);

    await assert.rejects(
      applyRepair({ path: place.file, within: place.state, owner: { uid, gid }, mode: 0o777 }),
      why,
    );

    assert.equal(place.bits(place.shadow), 0o640);
  });
}

test('a path that climbs out of its directory: nothing is changed', async (t) => {
  const { state, shadow, bits } = stage(t);

  const climbing = `${state}/../outside/shadow`;
  await assert.rejects(applyRepair({ path: climbing, within: state, mode: 0o777 }), /lies elsewhere/);

  assert.equal(bits(shadow), 0o640);
});
