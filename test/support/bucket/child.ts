/** Another process at the same bucket: `child.mjs VERB URL …`. Built to one file by support.ts. */
import { appendFileSync } from 'node:fs';
import { codeOf } from '#contract/errors.ts';
import { withFileLock } from '#storage/file-lock.ts';
import { openBucket } from '#storage/open.ts';
import { increment } from './increment.ts';

const [verb = '', target = '', ...rest] = process.argv.slice(2);
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const stdinClosed = () =>
  new Promise<void>((resolve) =>
    process.stdin
      .on('end', resolve)
      .on('error', () => resolve())
      .resume(),
  );
const conditionOf = (etag: string | undefined) =>
  etag === undefined ? undefined : etag === '*' ? { ifNoneMatch: '*' as const } : { ifMatch: etag };

const VERBS: Record<string, () => Promise<void>> = {
  increment: async () => {
    const [key = '', times = '1'] = rest;
    const bucket = await openBucket(target);
    for (let time = 0; time < Number(times); time += 1) await increment(bucket, key);
  },
  /** Rewrites a large object, one letter after another, until its stdin is closed. */
  rewrite: async () => {
    const [key = '', size = '1'] = rest;
    const bucket = await openBucket(target);
    let isWanted = true;
    void stdinClosed().then(() => (isWanted = false));
    for (let turn = 0; isWanted; turn += 1) {
      await bucket.put(key, (turn % 2 === 0 ? 'a' : 'b').repeat(Number(size)));
      if (turn === 0) say('ready');
    }
  },
  put: async () => {
    const [key = '', body = '', etag] = rest;
    say(JSON.stringify(await (await openBucket(target)).put(key, body, conditionOf(etag))));
  },
  delete: async () => (await openBucket(target)).delete(rest[0] ?? ''),
  get: async () => say(`${(await (await openBucket(target)).get(rest[0] ?? ''))?.body}`),
  /** As the responder opens it. */
  answer: async () => say(`${(await (await openBucket(target, 'get')).get(rest[0] ?? ''))?.body}`),
  list: async () => say((await (await openBucket(target)).list(rest[0] ?? '')).join()),
  hold: () =>
    withFileLock(target, 10_000, async () => {
      say('ready');
      await stdinClosed();
    }),
  /** Goes in and out of a locked room, and writes down when. */
  visit: async () => {
    const [diary = '', times = '1'] = rest;
    for (let time = 0; time < Number(times); time += 1) {
      await withFileLock(target, 30_000, async () => {
        appendFileSync(diary, `in ${process.pid}\n`);
        await new Promise((resolve) => setImmediate(resolve));
        appendFileSync(diary, `out ${process.pid}\n`);
      });
    }
  },
};

process.umask(0);
await VERBS[verb]?.().catch((error: unknown) => {
  say(`${codeOf(error)} ${(error as Error).message}`);
  process.exitCode = 1;
});
process.stdin.destroy();
