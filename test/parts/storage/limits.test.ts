// Every read is bounded before memory is spent: whatever lies in the place of an object, however a body is declared.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { codeOf, messageOf } from '#contract/errors.ts';
import { MAX_LISTED_KEYS } from '#contract/limits.ts';
import { openBucket } from '#storage/open.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { sendForever, startWildStore } from '../../support/bucket/wild-store.ts';
import { tempDir } from '../../support/temp-dir.ts';

const STATUS = 'status/default/lb1.json';
const PEM = `published/default/pem/a.test/${'0'.repeat(64)}.pem`;
const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => assert.fail('nothing was thrown'),
    (error: unknown) => error,
  );

/** What may lie in the place of a status. */
const PLANTED: [says: string, plant: (path: string) => void, code: string, message: RegExp][] = [
  ['a FIFO', (path) => execFileSync('mkfifo', [path]), 'ERR_BUCKET_IO', /EINVAL/],
  ['/dev/zero', (path) => symlinkSync('/dev/zero', path), 'ERR_BUCKET_IO', /EINVAL/],
  [
    'a file of 150 MB',
    (path) => {
      writeFileSync(path, '');
      truncateSync(path, 150_000_000);
    },
    'ERR_BUCKET_SIZE',
    /wanted at most 1048576 bytes, saw 150000000; restore an earlier version, or delete it/,
  ],
];

for (const [says, plant, code, message] of PLANTED) {
  test(`directory: ${says} in the place of a status is an error, is listed, and hides no other`, async (t) => {
    const path = join(tempDir(t), 'bucket');
    const bucket = await openBucket(pathToFileURL(path).href);
    await bucket.put('status/default/lb2.json', '{}');
    plant(join(path, STATUS));

    const failure = await failureOf(bucket.get(STATUS));
    const [first, second] = await bucket.entries('status/default/');

    assert.equal(codeOf(failure), code, messageOf(failure));
    assert.match(messageOf(failure), message);
    assert.deepEqual([first?.key, second?.key], [STATUS, 'status/default/lb2.json']);
    assert.equal(second?.etag, (await bucket.get('status/default/lb2.json'))?.etag);
    await bucket.delete(STATUS);
    assert.equal(await bucket.get(STATUS), undefined);
  });
}

test('directory: a listing says when each object was written', async (t) => {
  const path = join(tempDir(t), 'bucket');
  const bucket = await openBucket(pathToFileURL(path).href);
  await bucket.put(STATUS, '{}');
  mkdirSync(join(path, 'status/default/empty.json'));

  const [entry, ...rest] = await bucket.entries('status/');

  assert.deepEqual(rest, []);
  assert.ok(Math.abs(Date.now() - (entry?.modifiedAt.getTime() ?? 0)) < 60_000);
});

const openers = {
  SDK: openBucket,
  'without the SDK': (url: string) => openWithoutSdk(url, process.env),
};
const declared = (bytes: number) => (response: ServerResponse) => {
  response.setHeader('content-length', bytes);
  return sendForever(response);
};

for (const [kind, open] of Object.entries(openers)) {
  for (const [says, answer, saw] of [
    ['declared', declared(1_500_000_000), /wanted at most 1048576 bytes, saw 1500000000;/],
    ['not declared', sendForever, /wanted at most 1048576 bytes, saw \d+ and more;/],
  ] as const) {
    test(`S3, ${kind}: an endless body (${says}) is ERR_BUCKET_SIZE, and asked for once`, async (t) => {
      let requests = 0;
      let sent = Promise.resolve(0);
      const url = await startWildStore(t, (response) => {
        requests += 1;
        sent = answer(response);
      });

      const failure = await failureOf((await open(url)).get(STATUS));

      assert.equal(codeOf(failure), 'ERR_BUCKET_SIZE', messageOf(failure));
      assert.match(messageOf(failure), saw);
      assert.equal(requests, 1);
      // What the limit allows, and what the sockets hold.
      assert.ok((await sent) < 12_000_000);
    });
  }

  test(`S3, ${kind}: a read may set a lower limit, and gets what has just this size`, async (t) => {
    const url = await startWildStore(t, (response) => response.end('0123456789'));
    const bucket = await open(url);

    assert.equal((await bucket.get(PEM, { maxBytes: 10 }))?.body.toString(), '0123456789');
    assert.equal(codeOf(await failureOf(bucket.get(PEM, { maxBytes: 9 }))), 'ERR_BUCKET_SIZE');
  });

  test(`S3, ${kind}: what is compressed stays compressed`, async (t) => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    const url = await startWildStore(t, (response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(bomb);
    });

    assert.deepEqual((await (await open(url)).get(STATUS))?.body, bomb);
  });

  test(`S3, ${kind}: an object in an archive is ERR_BUCKET_ARCHIVED, not a denial`, async (t) => {
    const url = await startWildStore(t, (response) => {
      response.statusCode = 403;
      response.end('<Error><Code>InvalidObjectState</Code><StorageClass>GLACIER</StorageClass></Error>');
    });

    const failure = await failureOf((await open(url)).get(STATUS));

    assert.equal(codeOf(failure), 'ERR_BUCKET_ARCHIVED', messageOf(failure));
  });

  test(`S3, ${kind}: what no reader would take is not written`, async (t) => {
    const url = await startWildStore(t, () => assert.fail('nothing is sent'));

    const failure = await failureOf((await open(url)).put(STATUS, Buffer.alloc(1_048_577)));

    assert.equal(codeOf(failure), 'ERR_BUCKET_SIZE', messageOf(failure));
  });
}

/** A page of a listing. @param more whether another one is promised */
const page = (keys: readonly string[], more: boolean) => {
  const contents = keys.map((key) => `<Contents><Key>${key}</Key><ETag>"e"</ETag></Contents>`).join('');
  const next = `<IsTruncated>${more}</IsTruncated>${more ? '<NextContinuationToken>n</NextContinuationToken>' : ''}`;
  return `<ListBucketResult>${contents}${next}</ListBucketResult>`;
};

test('S3: a listing without an end is ERR_BUCKET_SIZE, full of keys or empty', async (t) => {
  for (const keys of [Array.from({ length: MAX_LISTED_KEYS / 10 }, (_, index) => `status/a/${index}`), []]) {
    let pages = 0;
    const url = await startWildStore(t, (response) => {
      pages += 1;
      response.end(page(keys, true));
    });

    const failure = await failureOf((await openBucket(url)).list('status/a/'));

    assert.equal(codeOf(failure), 'ERR_BUCKET_SIZE', messageOf(failure));
    assert.ok(pages <= 200, `${pages} pages`);
  }
});

test('S3: an endless page of a listing is ERR_BUCKET_SIZE', async (t) => {
  const url = await startWildStore(t, sendForever);

  assert.equal(codeOf(await failureOf((await openBucket(url)).list('status/a/'))), 'ERR_BUCKET_SIZE');
});
