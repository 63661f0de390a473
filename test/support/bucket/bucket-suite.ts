/** What every bucket must do: in memory, in a directory, in S3. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Bucket } from '#storage/bucket.ts';
import { increment } from './increment.ts';

export type MakeBucket = (t: TestContext) => Promise<Bucket>;

const etagOf = (written: { etag: string } | 'precondition-failed') => {
  assert.notEqual(written, 'precondition-failed');
  return (written as { etag: string }).etag;
};

/**
 * @param makeBucket an empty bucket of the test's own
 * @param isAtomic whether the store compares and writes in one step: else a crowd loses updates, which proves nothing about our code
 */
export function bucketSuite(kind: string, makeBucket: MakeBucket, isAtomic = true): void {
  const cases = { ...objectCases, ...conditionCases, ...exclusionCases, ...keyCases };
  if (isAtomic) Object.assign(cases, crowdCases);
  for (const [says, run] of Object.entries(cases)) {
    test(`${kind}: ${says}`, async (t) => run(await makeBucket(t)));
  }
}

type Cases = Record<string, (bucket: Bucket) => Promise<void>>;

const objectCases: Cases = {
  'get gives what put stored, byte for byte, under the ETag that put gave': async (bucket) => {
    const body = Buffer.from([0, 255, 10, 13, 10, 128]);

    const etag = etagOf(await bucket.put('issuer/a.json', body));

    assert.deepEqual(await bucket.get('issuer/a.json'), { body, etag });
  },
  'an empty object is an object': async (bucket) => {
    const etag = etagOf(await bucket.put('issuer/empty', ''));

    assert.deepEqual(await bucket.get('issuer/empty'), { body: Buffer.alloc(0), etag });
    assert.deepEqual(await bucket.list('issuer/'), ['issuer/empty']);
  },
  'what is not there is undefined, also where its prefix is an object or a prefix': async (bucket) => {
    await bucket.put('issuer/order/a.json', 'a');

    for (const key of ['issuer/b.json', 'nothing/b.json', 'issuer/order', 'issuer/order/a.json/b']) {
      assert.equal(await bucket.get(key), undefined);
    }
  },
  'another content has another ETag, the same content is not changed': async (bucket) => {
    const first = etagOf(await bucket.put('issuer/a', 'one'));
    const second = etagOf(await bucket.put('issuer/a', 'two'));

    assert.notEqual(first, second);
    assert.equal((await bucket.get('issuer/a'))?.body.toString(), 'two');
  },
  'a listing with ETags has those that get gives': async (bucket) => {
    for (const [key, body] of [
      ['status/default/b.json', 'two'],
      ['status/default/a.json', 'one'],
    ] as const) {
      await bucket.put(key, body);
    }

    const entries = await bucket.entries('status/default/');

    assert.deepEqual(
      entries.map(({ key }) => key),
      ['status/default/a.json', 'status/default/b.json'],
    );
    for (const { key, etag } of entries) assert.equal((await bucket.get(key))?.etag, etag);
  },
  'what was deleted is gone, and may be deleted again and put again': async (bucket) => {
    await bucket.put('issuer/a', 'one');

    await bucket.delete('issuer/a');
    await bucket.delete('issuer/a');
    await bucket.delete('nowhere/b');

    assert.equal(await bucket.get('issuer/a'), undefined);
    assert.deepEqual(await bucket.list('issuer/'), []);
    etagOf(await bucket.put('issuer/a', 'two', { ifNoneMatch: '*' }));
  },
  'a listing holds the whole keys below a prefix, at any depth, sorted': async (bucket) => {
    for (const key of [
      'issuer/order/b.json',
      'issuer/order/a.json',
      'issuer/order/c/d.json',
      'issuer/order.json',
      'published/a',
    ]) {
      await bucket.put(key, key);
    }

    assert.deepEqual(await bucket.list('issuer/order/'), [
      'issuer/order/a.json',
      'issuer/order/b.json',
      'issuer/order/c/d.json',
    ]);
    assert.deepEqual(await bucket.list('nothing/'), []);
  },
  'the folders of a prefix are the next segments of the keys below it, each once, and no object is one':
    async (bucket) => {
      for (const key of [
        'published/b/root.json',
        'published/a.b/pem/www/1.pem',
        'published/a.b/pem/www/2.pem',
        'published/a/root.json',
        'published/file.json',
        'published-too/c/root.json',
      ]) {
        await bucket.put(key, key);
      }

      assert.deepEqual(await bucket.folders('published/'), ['a', 'a.b', 'b']);
      assert.deepEqual(await bucket.folders('published/a.b/'), ['pem']);
      assert.deepEqual(await bucket.folders('published/a/'), []);
      assert.deepEqual(await bucket.folders('nothing/'), []);
    },
  'what is erased is gone, also if there was none; of what has no earlier versions, those are none': async (
    bucket,
  ) => {
    await bucket.put('issuer/a', 'one');
    await bucket.put('issuer/a.b', 'another');

    await bucket.erase('issuer/a', 'earlier');
    assert.equal((await bucket.get('issuer/a'))?.body.toString(), 'one');
    await bucket.erase('issuer/a', 'all');
    await bucket.erase('issuer/a', 'all');

    assert.deepEqual(await bucket.list('issuer/'), ['issuer/a.b']);
  },
  'a folder is there as long as an object is in it': async (bucket) => {
    for (const key of ['published/a/pem/www/1.pem', 'published/b/root.json']) await bucket.put(key, key);

    await bucket.delete('published/a/pem/www/1.pem');

    assert.deepEqual(await bucket.folders('published/'), ['b']);
  },
  'a part of a listing goes on behind a key, in the order of the whole': async (bucket) => {
    const keys = ['a-b/1', 'a.b', 'a/1', 'a/2/x', 'a/20', 'a0', 'b'].map((key) => `published/f/${key}`);
    for (const key of [...keys, 'published/other/a']) await bucket.put(key, key);
    const from = async (after: string, max: number) =>
      (await bucket.listAfter('published/f/', after, max)).map(({ key }) => key);

    assert.deepEqual(await from('', 1000), keys);
    for (const [index, key] of keys.entries()) {
      assert.deepEqual(await from(key, 2), keys.slice(index + 1, index + 3));
    }
    assert.deepEqual(await from('published/f/a/15', 1), ['published/f/a/2/x']);
    assert.deepEqual(await bucket.listAfter('nothing/', '', 10), []);
    const [first] = await bucket.listAfter('published/f/', '', 1);
    assert.ok(Math.abs(Date.now() - (first?.modifiedAt.getTime() ?? 0)) < 60_000);
    assert.equal(first?.size, 'published/f/a-b/1'.length);
  },
};

const conditionCases: Cases = {
  'a read under the right ETag is not modified, under another ETag it gives the object': async (bucket) => {
    const etag = etagOf(await bucket.put('issuer/a', 'one'));

    assert.equal(await bucket.get('issuer/a', { ifNoneMatch: etag }), 'not-modified');
    assert.deepEqual(await bucket.get('issuer/a', { ifNoneMatch: '"another"' }), {
      body: Buffer.from('one'),
      etag,
    });
    assert.equal(await bucket.get('issuer/b', { ifNoneMatch: etag }), undefined);
  },
  'If-None-Match: * creates, and leaves what is there as it is': async (bucket) => {
    const etag = etagOf(await bucket.put('issuer/a', 'one', { ifNoneMatch: '*' }));

    assert.equal(await bucket.put('issuer/a', 'two', { ifNoneMatch: '*' }), 'precondition-failed');
    assert.deepEqual(await bucket.get('issuer/a'), { body: Buffer.from('one'), etag });
  },
  'If-Match replaces what was read, and nothing else': async (bucket) => {
    const first = etagOf(await bucket.put('issuer/a', 'one'));
    const second = etagOf(await bucket.put('issuer/a', 'two', { ifMatch: first }));

    assert.equal(await bucket.put('issuer/a', 'three', { ifMatch: first }), 'precondition-failed');
    assert.deepEqual(await bucket.get('issuer/a'), { body: Buffer.from('two'), etag: second });
  },
  'If-Match on an object that is missing or deleted fails, and creates nothing': async (bucket) => {
    const etag = etagOf(await bucket.put('issuer/a', 'one'));
    await bucket.delete('issuer/a');

    assert.equal(await bucket.put('issuer/a', 'two', { ifMatch: etag }), 'precondition-failed');
    assert.equal(await bucket.put('issuer/b', 'two', { ifMatch: etag }), 'precondition-failed');
    assert.deepEqual(await bucket.list('issuer/'), []);
  },
};

const crowdCases: Cases = {
  'of thirty that create at once, one succeeds, and its object stays': async (bucket) => {
    const bodies = Array.from({ length: 30 }, (_, index) => `writer ${index}`);

    const told = await Promise.all(bodies.map((body) => bucket.put('issuer/a', body, { ifNoneMatch: '*' })));

    const winners = bodies.filter((_, index) => told[index] !== 'precondition-failed');
    assert.equal(winners.length, 1);
    assert.equal((await bucket.get('issuer/a'))?.body.toString(), winners[0]);
  },
  'thirty that read, change and write at once lose no update': async (bucket) => {
    await bucket.put('issuer/counter', '0');

    await Promise.all(Array.from({ length: 30 }, () => increment(bucket, 'issuer/counter')));

    assert.equal((await bucket.get('issuer/counter'))?.body.toString(), '30');
  },
};

const exclusionCases: Cases = {
  'work of one name is done one at a time, of another name beside it': async (bucket) => {
    const inside: string[] = [];
    const work = (name: string) => () => {
      inside.push(`${name} in`);
      return bucket.put(`issuer/${name}`, name).then(() => inside.push(`${name} out`));
    };

    await Promise.all([
      bucket.exclusively('pass', 5_000, work('a')),
      bucket.exclusively('pass', 5_000, work('b')),
    ]);

    const [first, second] = inside[0] === 'a in' ? ['a', 'b'] : ['b', 'a'];
    assert.deepEqual(inside, [`${first} in`, `${first} out`, `${second} in`, `${second} out`]);
    await bucket.exclusively('pass', 5_000, () => bucket.exclusively('other', 5_000, async () => undefined));
  },
  'work that fails lets the next work in, and the caller gets its error': async (bucket) => {
    const failing = bucket.exclusively('pass', 5_000, () => Promise.reject(new RangeError('as thrown')));

    await assert.rejects(failing, RangeError);
    assert.equal(await bucket.exclusively('pass', 5_000, async () => 'in'), 'in');
  },
};

const keyCases: Cases = {
  'a key that is none of ours is a bug, a TypeError, and touches nothing': async (bucket) => {
    for (const key of ['', '/etc/passwd', 'a//b', '../a', 'a/../b', 'a/.', '.lock', 'issuer/.hidden']) {
      for (const call of [
        () => bucket.get(key),
        () => bucket.put(key, 'x'),
        () => bucket.delete(key),
        () => bucket.list(`${key}/`),
        () => bucket.folders(`${key}/`),
      ]) {
        await assert.rejects(call, TypeError);
      }
    }
  },
};
