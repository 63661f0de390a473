/** kill -9 of a writer after each of its calls to the file system in turn, and in the middle of a write. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Bucket } from '#storage/bucket.ts';
import { openBucket } from '#storage/open.ts';
import { type Ended, runChild } from '../../support/bucket/start-child.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** Counts the calls of node:fs/promises and of its file handles; the KILL_AFTER-th is the last. */
const KILLER = `
import { createRequire, syncBuiltinESMExports } from 'node:module';
const promises = createRequire(import.meta.url)('node:fs/promises');
const { open } = promises;
const handle = await open('/dev/null', 'r');
const prototype = Object.getPrototypeOf(handle);
await handle.close();
let left = Number(process.env.KILL_AFTER);
const die = () => process.kill(process.pid, 'SIGKILL');
const count = (target, name) => {
  const real = target[name];
  target[name] = async function (...args) {
    if (left === 1 && name === 'writeFile' && process.env.KILL_WITHIN === 'yes')
      await real.call(this, String(args[0]).slice(0, 7)).then(die);
    const result = await real.apply(this, args);
    left -= 1;
    if (left === 0) die();
    return result;
  };
};
for (const name of ['mkdir', 'open', 'readFile', 'readdir', 'stat', 'rm', 'unlink', 'link', 'rename']) count(promises, name);
for (const name of ['writeFile', 'chmod', 'chown', 'sync', 'close']) count(prototype, name);
syncBuiltinESMExports();
`;

const KEY = 'issuer/order/a.json';
const [OLD, NEW] = ['{"state":"old","padding":"xxxx"}', '{"state":"new","padding":"yyyyyyyy"}'];
/** More than any of the writes has calls: a runaway loop ends here. */
const MANY = 60;

interface Write {
  says: string;
  args: (etag: string) => string[];
  before: string | undefined;
  after: string | undefined;
}

const WRITES: Write[] = [
  { says: 'creates an object', args: () => ['put', NEW, '*'], before: undefined, after: NEW },
  { says: 'puts an object without a condition', args: () => ['put', NEW], before: undefined, after: NEW },
  { says: 'replaces an object', args: (etag) => ['put', NEW, etag], before: OLD, after: NEW },
  { says: 'deletes an object', args: () => ['delete'], before: OLD, after: undefined },
];

for (const write of WRITES) {
  test(`a writer that ${write.says} may be killed after any call: the object is old or new, and whole`, async (t) => {
    const dir = tempDir(t);
    const preload = join(dir, 'killer.mjs');
    writeFileSync(preload, KILLER);

    const seen: (string | undefined)[] = [];
    for (let after = 1; after < MANY; after += 1) {
      const ended = await Promise.all([
        killed(t, join(dir, `${after}`), write, { preload, after, within: 'no' }),
        killed(t, join(dir, `${after}-within`), write, { preload, after, within: 'yes' }),
      ]);
      seen.push(...ended.map(({ text }) => text));
      if (ended.every(({ signal }) => signal === null)) break;
    }

    assert.ok(seen.length > 6 && seen.length < 2 * MANY, `${seen.length} runs`);
    assert.deepEqual(new Set(seen), new Set([write.before, write.after]));
  });
}

interface Kill {
  preload: string;
  after: number;
  within: string;
}

async function killed(
  t: TestContext,
  path: string,
  write: Write,
  kill: Kill,
): Promise<Ended & { text: string | undefined }> {
  const bucket = await openBucket(pathToFileURL(path).href);
  const put = write.before === undefined ? undefined : await bucket.put(KEY, write.before);
  const [verb = '', ...rest] = write.args(put === undefined || put === 'precondition-failed' ? '' : put.etag);
  const env = { KILL_AFTER: String(kill.after), KILL_WITHIN: kill.within };

  const ended = await runChild(t, [verb, bucket.url, KEY, ...rest], { preload: kill.preload, env });

  assert.ok(ended.signal === 'SIGKILL' || ended.status === 0, ended.stdout);
  const text = (await bucket.get(KEY))?.body.toString();
  if (ended.signal === null) assert.equal(text, write.after);
  assert.deepEqual(await bucket.list('issuer/'), text === undefined ? [] : [KEY]);
  assert.deepEqual(
    readdirSync(path).filter((name) => !name.startsWith('.')),
    text === undefined ? readdirSync(path).filter((name) => name === 'issuer') : ['issuer'],
  );
  await assertWorks(bucket);
  return { ...ended, text };
}

/** No lock is stale: the next writer has its turn at once. */
async function assertWorks(bucket: Bucket): Promise<void> {
  const began = performance.now();
  assert.notEqual(await bucket.put(KEY, 'next'), 'precondition-failed');
  assert.equal((await bucket.get(KEY))?.body.toString(), 'next');
  assert.ok(performance.now() - began < 5_000);
}
