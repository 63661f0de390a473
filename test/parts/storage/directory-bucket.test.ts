import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { codeOf, isObjectFault } from '#contract/errors.ts';
import { TEMP_SUFFIX } from '#storage/atomic-file.ts';
import { directoryFailure } from '#storage/failure.ts';
import { openBucket } from '#storage/open.ts';
import { bucketSuite } from '../../support/bucket/bucket-suite.ts';
import { bucketProcessesSuite } from '../../support/bucket/processes-suite.ts';
import { runChild, startChild } from '../../support/bucket/start-child.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** Root becomes somebody else; everybody else is. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const urlOf = (path: string) => pathToFileURL(path).href;

bucketSuite('directory bucket', (t) => openBucket(urlOf(join(tempDir(t), 'bucket'))));
bucketProcessesSuite('directory bucket', async (t) => urlOf(join(tempDir(t), 'bucket')));

test('a listing holds no temporary file, no lock and no other hidden file', async (t) => {
  const path = join(tempDir(t), 'bucket');
  const bucket = await openBucket(urlOf(path));
  await bucket.put('issuer/a', 'a');
  await bucket.exclusively('pass', 1_000, async () => undefined);
  writeFileSync(join(path, 'issuer', `.a.0123456789ab${TEMP_SUFFIX}`), 'half');

  assert.deepEqual(await bucket.list('issuer/'), ['issuer/a']);
});

test('writes that follow each other share the lock: to take it starts programs', async (t) => {
  const bucket = await openBucket(urlOf(join(tempDir(t), 'bucket')));
  let started = 0;
  const hook = createHook({ init: (_, type) => (started += type === 'PROCESSWRAP' ? 1 : 0) }).enable();
  t.after(() => hook.disable());

  for (let write = 0; write < 40; write += 1) await bucket.put('issuer/a', `${write}`);

  assert.ok(started > 0 && started < 20, `${started} times for 40 writes`);
});

test('who writes without an end keeps nobody else from writing', async (t) => {
  const url = urlOf(join(tempDir(t), 'bucket'));
  const [busy, other] = [await openBucket(url), await openBucket(url)];
  let isDone = false;
  const writing = (async () => {
    while (!isDone) await busy.put('issuer/a', 'a');
  })();

  // The lock is given up after a second; 30 s end it with ERR_BUCKET_LOCK.
  await other.put('issuer/b', 'b');
  isDone = true;
  await writing;

  assert.equal((await busy.get('issuer/b'))?.body.toString(), 'b');
});

test('temporary files that a killed process left are removed once they are old, young ones are not', async (t) => {
  const path = join(tempDir(t), 'bucket');
  await openBucket(urlOf(path));
  const [old, young] = [join(path, '.tmp', `.old${TEMP_SUFFIX}`), join(path, '.tmp', `.young${TEMP_SUFFIX}`)];
  writeFileSync(old, 'half');
  writeFileSync(young, 'half');
  const hourAgo = Date.now() / 1000 - 3_600;
  utimesSync(old, hourAgo, hourAgo);

  await openBucket(urlOf(path));

  assert.deepEqual(readdirSync(join(path, '.tmp')), [`.young${TEMP_SUFFIX}`]);
});

test('objects are 0600 and folders 0700 at every moment of a write, whatever the umask', async (t) => {
  const path = join(tempDir(t), 'bucket');
  const url = urlOf(path);
  const writer = startChild(t, ['rewrite', url, 'issuer/order/large', '60000']);
  await writer.ready;

  const seen = new Set<string>();
  for (let look = 0; look < 300 || (look < 20_000 && !seen.has(`file in .tmp 600`)); look += 1) {
    for (const found of modesIn(path)) seen.add(found);
  }

  await writer.finish();
  assert.deepEqual(
    [...seen].filter((found) => !/ (600|700)$/.test(found) && !found.startsWith('.lock')),
    [],
  );
  assert.ok(seen.has('file in .tmp 600'), 'no write was caught in the middle');
});

test('the files of locks hold nothing, and only their owner may write them', async (t) => {
  const path = join(tempDir(t), 'bucket');
  await runChild(t, ['put', urlOf(path), 'issuer/a', 'a']);

  const lock = statSync(join(path, '.lock'));

  assert.equal(lock.size, 0);
  assert.equal(lock.mode & 0o022, 0);
});

for (const verb of ['get', 'put', 'delete', 'list']) {
  test(`${verb}: a bucket that is not ours to use is ERR_BUCKET_DENIED, and names the blocker`, async (t) => {
    const dir = tempDir(t);
    chmodSync(dir, 0o755);
    const path = join(dir, 'bucket');
    await (await openBucket(urlOf(path))).put('issuer/a', 'a');
    if (process.getuid?.() !== 0) chmodSync(path, 0o000);

    const { status, stdout } = await runChild(t, [verb, urlOf(path), 'issuer/a', 'b'], { asNobody: true });

    chmodSync(path, 0o700);
    assert.equal(status, 1);
    assert.match(stdout, /^ERR_BUCKET_DENIED .*is not accessible to this user/);
  });
}

test('another user can read answers to challenges, and no key, no list and no manifest', async (t) => {
  const dir = tempDir(t);
  chmodSync(dir, 0o755);
  const path = join(dir, 'bucket');
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  const bucket = await openBucket(urlOf(path));
  await bucket.put('challenge/token', 'answer', { ifNoneMatch: '*' });
  await bucket.put('challenge/other', 'first');
  await bucket.put('issuer/account/a', 'key');
  await bucket.put('published/f/root.json', 'root');
  const as = (verb: string, key: string) => runChild(t, [verb, urlOf(path), key], { asNobody: true });

  const answers = await Promise.all(
    ['challenge/token', 'challenge/other', 'challenge/none'].map((key) => as('answer', key)),
  );
  const refused = await Promise.all(
    ['issuer/account/a', 'published/f/root.json'].map((key) => as('answer', key)),
  );

  assert.deepEqual(
    answers.map(({ stdout }) => stdout),
    ['answer\n', 'first\n', 'undefined\n'],
  );
  for (const { stdout } of refused) assert.match(stdout, /^ERR_BUCKET_DENIED/);
  assert.throws(() => execFileSync('ls', [join(path, 'challenge')], { ...NOBODY, stdio: 'pipe' }), /denied/);
  assert.deepEqual(
    modesIn(path).filter((mode) => !/ (600|700)$/.test(mode) && !mode.startsWith('.lock')),
    ['folder challenge 711', 'file in challenge 644', 'file in challenge 644'],
  );
  assert.equal(statSync(path).mode & 0o777, 0o711);
});

test('an object that may not be read is ERR_BUCKET_DENIED, not a missing one', async (t) => {
  const dir = tempDir(t);
  const path = join(dir, 'bucket');
  const bucket = await openBucket(urlOf(path));
  await bucket.put('issuer/order/a', 'a');
  for (const folder of [dir, path, join(path, 'issuer')]) chmodSync(folder, 0o755);
  chmodSync(join(path, '.tmp'), 0o777);
  chmodSync(join(path, 'issuer/order'), 0o000);

  const ended = await Promise.all(
    [
      ['get', 'issuer/order/a'],
      ['list', 'issuer/'],
    ].map(([verb = '', key = '']) => runChild(t, [verb, urlOf(path), key], { asNobody: true })),
  );

  chmodSync(join(path, 'issuer/order'), 0o700);
  for (const { stdout } of ended) assert.match(stdout, /^ERR_BUCKET_DENIED issuer\//);
});

test('a file in the place of the directory is ERR_BUCKET_IO', async (t) => {
  const path = join(tempDir(t), 'bucket');
  writeFileSync(path, '');

  await assert.rejects(openBucket(urlOf(path)), { code: 'ERR_BUCKET_IO', message: /EEXIST|ENOTDIR/ });
  await assert.rejects(openBucket(urlOf(join(path, 'below'))), { code: 'ERR_BUCKET_IO', message: /ENOTDIR/ });
});

test('a prefix in the place of an object, and an object in the place of a prefix, are ERR_BUCKET_IO', async (t) => {
  const path = join(tempDir(t), 'bucket');
  const bucket = await openBucket(urlOf(path));
  await bucket.put('issuer/a', 'a');
  mkdirSync(join(path, 'issuer/b'));

  await assert.rejects(bucket.put('issuer/a/c', 'c'), { code: 'ERR_BUCKET_IO', key: 'issuer/a/c' });
  await assert.rejects(bucket.put('issuer/b', 'b'), { code: 'ERR_BUCKET_IO', key: 'issuer/b' });
  assert.deepEqual(readdirSync(join(path, '.tmp')), [], 'what could not be put leaves nothing behind');
});

for (const url of [
  '',
  'bucket',
  '/var/lib/bucket',
  's3:bucket',
  'http://127.0.0.1/bucket',
  'file://host/bucket',
  'file://./bucket',
]) {
  test(`an address that is no bucket's is ERR_BUCKET_URL: ${JSON.stringify(url)}`, async () => {
    await assert.rejects(openBucket(url), { code: 'ERR_BUCKET_URL', key: url });
  });
}

/** `file in .tmp 600`, `folder issuer 700`, … */
function modesIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true, recursive: true }).flatMap((entry) => {
    const stat = statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false });
    if (stat === undefined) return [];
    const mode = (stat.mode & 0o7777).toString(8);
    if (entry.name.startsWith('.lock')) return [`.lock ${mode}`];
    const folder = entry.parentPath.split('/').at(-1);
    return [entry.isDirectory() ? `folder ${entry.name} ${mode}` : `file in ${folder} ${mode}`];
  });
}

test('who only reads makes no directory; a missing one is an empty bucket, and a file in its place is an error', async (t) => {
  const path = join(tempDir(t), 'bucket');

  const bucket = await openBucket(urlOf(path), 'read');

  assert.equal(await bucket.get('issuer/a'), undefined);
  for (const listed of [bucket.list('issuer/'), bucket.entries('issuer/'), bucket.folders('issuer/')]) {
    assert.deepEqual(await listed, []);
  }
  assert.deepEqual(await bucket.listAfter('issuer/', '', 10), []);
  assert.equal(existsSync(path), false);
  writeFileSync(path, 'a file');
  await assert.rejects(openBucket(urlOf(path), 'read'), { code: 'ERR_BUCKET_IO' });
});

test('a directory in the place of an object is named, and is no writer that was faster', async (t) => {
  const path = join(tempDir(t), 'bucket');
  const bucket = await openBucket(urlOf(path));
  mkdirSync(join(path, 'published/edge/root.json'), { recursive: true });

  for (const condition of [{ ifNoneMatch: '*' } as const, undefined]) {
    await assert.rejects(bucket.put('published/edge/root.json', 'a root', condition), {
      code: 'ERR_BUCKET_IO',
      message: /root\.json: cannot be written \(EISDIR\): a directory is in its place; move it away/,
    });
  }
});

test('that this process has no more file descriptors is no fault of an object', () => {
  for (const code of ['EMFILE', 'ENFILE', 'ENOMEM']) {
    const failure = directoryFailure(Object.assign(new Error(code), { code }), 'issuer/a');
    assert.deepEqual([codeOf(failure), isObjectFault(failure)], ['ERR_BUCKET_UNREACHABLE', false]);
  }
});

test('a full disk is told as one, with what helps', () => {
  for (const code of ['ENOSPC', 'EDQUOT']) {
    const failure = directoryFailure(Object.assign(new Error(code), { code }), 'issuer/a');
    assert.match(String(failure), /no space is left .*: make room on its file system/);
  }
});
