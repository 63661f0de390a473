import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readDocument, stateProblemIn, writeDocument } from '../../../../agent/state/documents.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const document = { version: 1, names: ['a.test', 'a line,\n  "sealed": '], deep: { sealed: 'no' } };

async function written(t: TestContext) {
  const directory = tempDir(t);
  const path = join(directory, 'deep', 'state.json');
  await writeDocument(path, document);
  return path;
}

/** What `parse` gets. */
const read = (path: string) =>
  readDocument(path, (text, isSealed) => ({ document: JSON.parse(text), isSealed }));

test('what this version has written is sealed: it need not be checked again', async (t) => {
  const path = await written(t);

  assert.deepEqual(await read(path), { document, isSealed: true });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const { sealed, ...rest } = JSON.parse(readFileSync(path, 'utf8'));
  assert.deepEqual(rest, document, 'to others it is plain JSON');
  assert.match(sealed.sha256, /^[0-9a-f]{64}$/);
});

const changes: Record<string, (text: string) => string> = {
  'one letter of it was changed': (text) => text.replace('a.test', 'b.test'),
  'another version has sealed it': (text) => text.replace('"by":"', '"by":"9.'),
  'its seal is of another text': (text) => text.replace(/"sha256":"../, '"sha256":"00'),
  'it has no seal': (text) => text.replace(/,\n {2}"sealed": .*/, ''),
};
for (const [what, change] of Object.entries(changes)) {
  test(`${what}: it is read, and has to be checked`, async (t) => {
    const path = await written(t);
    const before = readFileSync(path, 'utf8');
    assert.notEqual(change(before), before);
    writeFileSync(path, change(before));

    const seen = await read(path);

    assert.notEqual(seen, 'broken');
    assert.equal((seen as { isSealed: boolean }).isSealed, false);
  });
}

test('a document copied over it has to be checked', async (t) => {
  const path = await written(t);
  copyFileSync(path, `${path}.copy`);

  assert.equal(((await read(`${path}.copy`)) as { isSealed: boolean }).isSealed, false);
});

test('half a document is broken; a missing one is undefined', async (t) => {
  const path = await written(t);
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.slice(0, 20));

  assert.equal(await read(path), 'broken');
  assert.equal(await read(`${path}.none`), undefined);
});

test('a file without an end, or of a gigabyte, is broken, and is written over', async (t) => {
  const path = await written(t);
  const plants = {
    fifo: () => execFileSync('mkfifo', [path]),
    zero: () => symlinkSync('/dev/zero', path),
    huge: () => {
      writeFileSync(path, '');
      truncateSync(path, 1_000_000_000);
    },
  };
  for (const plant of Object.values(plants)) {
    rmSync(path);
    plant();

    assert.equal(await read(path), 'broken');
    await writeDocument(path, document);
    assert.deepEqual(await read(path), { document, isSealed: true });
  }
});

test('a document that equals the one before is not written', async (t) => {
  const path = await written(t);
  const { ino } = statSync(path);

  await writeDocument(path, { ...document }, document);
  const { ino: same } = statSync(path);
  await writeDocument(path, { ...document, version: 2 }, document);

  assert.equal(same, ino);
  assert.notEqual(statSync(path).ino, ino);
});

test('ERR_STATE_DIRECTORY: what the directory does not take is said, with the reason, and kept in memory', async (t) => {
  const directory = join(tempDir(t), 'state');
  writeFileSync(directory, 'no directory');
  const path = join(directory, 'state.json');

  await assert.rejects(writeDocument(path, document), {
    ...{ name: 'HostError', code: 'ERR_STATE_DIRECTORY' },
    message: /the agent cannot save \S+ \(.*(ENOTDIR|EEXIST)/,
  });

  assert.equal(stateProblemIn([directory])?.code, 'ERR_STATE_DIRECTORY');
  assert.deepEqual(await read(path).catch((error: unknown) => error), { document, isSealed: true });
});
