/** A root of yesterday that was put back, or none at all: what the fleet had comes back from the issuer's history, without an order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDeadline } from '#common/deadline.ts';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { NO_SUMMARIES, refreshHostSummaries, saveHostSummaries } from '../../../../lambda/fleet/hosts.ts';
import { runPass } from '../../../../lambda/pass/run-pass.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { fleet, makeHostStatus, named } from '../../../support/issuer/documents.ts';
import { passOver } from '../../../support/issuer/pass.ts';
import { readPublished, testPublisher, testSigning } from '../../../support/issuer/signing.ts';
import { type IssuedEntry, issuePem } from '../../../support/issuer/version-1.ts';
import { parseRoot } from '../../../support/parse-root.ts';

const a = named('a.test');
const pemOf = (entry: ManifestEntry | undefined) => entry?.pems[0]?.sha256 ?? '';
const keyOf = ({ entry }: IssuedEntry) => layout.pem(fleet, a, pemOf(entry));

/** Three publications of `a.test`, an hour between them, and a host that has read the root of the last. */
async function stage() {
  const bucket = memoryBucket();
  const roots: string[] = [];
  const versions: IssuedEntry[] = [];
  for (const hours of [-3, -2, -1]) {
    const issued = await issuePem(bucket, a, { at: after(noon, hours * HOUR_MS) });
    await publishAt(hours, issued);
    versions.push(issued);
    roots.push(bucket.text(layout.root(fleet)) ?? '');
  }
  await hostHasRead();

  async function publishAt(hours: number, { entry, text }: IssuedEntry) {
    const publisher = testPublisher(bucket, fleet, { now: () => after(noon, hours * HOUR_MS) });
    await publisher.publish(a, entry, [{ sha256: pemOf(entry), text }]);
  }

  async function hostHasRead() {
    const { head } = parseHead(bucket.text(layout.root(fleet)) ?? '');
    const status = makeHostStatus('lb1', { contract: 2, head });
    await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
    const deadline = startDeadline(5_000);
    const { fleets } = await refreshHostSummaries(bucket, {}, [fleet], {
      now: noon,
      keys: testSigning,
      deadline,
    });
    deadline.clear();
    await saveHostSummaries(bucket, { ...NO_SUMMARIES, fleets }, NO_SUMMARIES);
  }

  const { passFor, events } = passOver(bucket, { timing: fakeClock(noon) });
  const [oldest, middle, newest] = versions;
  const [yesterday = ''] = roots;
  assert.ok(oldest && middle && newest);
  return {
    ...{ bucket, oldest, middle, newest, yesterday, events },
    latest: await entryIn(roots.at(-1) ?? ''),
    pass: async () => (await runPass(passFor([{ identifiers: ['a.test'] }]))).outcomes,
    published: async () => (await readPublished(bucket, fleet))?.manifest.certificates[a],
    restored: () => events.fieldsOf('manifest.restored'),
    end: (issued: IssuedEntry) => {
      const pems = issued.entry.pems.map(({ sha256, notAfter }) => ({ sha256, notAfter }));
      return testPublisher(bucket, fleet).endPems(a, pems, { reason: 'revoked' });
    },
  };
}

async function entryIn(root: string) {
  return parseRoot(fleet, Buffer.from(root)).manifest.certificates[a];
}

function parseHead(root: string) {
  return { head: /"signature": "([^"]+)"/.exec(root)?.[1] ?? '' };
}

test('a root of yesterday is put back: the newer PEM is published again as it was, without an order', async () => {
  const { bucket, yesterday, latest, newest, pass, published, restored } = await stage();
  bucket.plant(layout.root(fleet), yesterday);

  const [outcome] = await pass();

  const entry = await published();
  assert.equal(outcome?.result, 'kept');
  assert.equal(pemOf(entry), pemOf(newest.entry));
  assert.equal(entry?.sequence, latest?.sequence, 'a host that has it sees no older entry');
  assert.deepEqual(
    entry?.pems.map(({ receipt }) => receipt),
    latest?.pems.map(({ receipt }) => receipt),
  );
  assert.deepEqual([entry?.publishedAt, entry?.issued], [latest?.publishedAt, latest?.issued]);
  const counts = { count: 1, left: 0, failed: 0 };
  assert.deepEqual(restored(), [{ fleet, reason: 'older', ...counts, certificates: ['a.test'] }]);
});

test('a root that is lost comes back from the history alone, whatever the entry was', async () => {
  const { bucket, latest, pass, published, restored } = await stage();
  await bucket.delete(layout.root(fleet));

  const [outcome] = await pass();

  assert.equal(outcome?.result, 'kept', 'no order');
  assert.equal((await published())?.sequence, latest?.sequence);
  assert.equal(pemOf(await published()), pemOf(latest));
  assert.deepEqual(
    restored().map(({ reason, count }) => [reason, count]),
    [['lost', 1]],
  );
});

test('a dry run restores nothing', async () => {
  const { bucket, yesterday } = await stage();
  bucket.plant(layout.root(fleet), yesterday);

  await passOver(bucket).run([{ identifiers: ['a.test'] }], { dryRun: true });

  assert.equal(bucket.text(layout.root(fleet)), yesterday);
});

test('what was revoked does not come back, nor what was published before it', async () => {
  const { bucket, yesterday, newest, oldest, end, pass, published, restored } = await stage();
  await end(newest);
  bucket.plant(layout.root(fleet), yesterday);

  await pass();

  assert.equal(pemOf(await published()), pemOf(oldest.entry), 'the entry that was put back stays');
  assert.deepEqual(restored(), []);
});

test('a revoked one and a lost root: nothing comes back', async () => {
  const { bucket, newest, end, pass, published } = await stage();
  await end(newest);
  await bucket.delete(layout.root(fleet));

  const [outcome] = await pass();

  assert.equal(await published(), undefined);
  assert.equal(outcome?.reason, 'missing');
});

test('a PEM that was altered, or of other names, does not come back: the version before it does', async () => {
  const { bucket, yesterday, newest, middle, pass, published } = await stage();
  const other = await issuePem(bucket, 'a.test', { names: ['evil.test'] });
  for (const text of [`${newest.text}\n`, other.text, '', undefined]) {
    bucket.plant(layout.root(fleet), yesterday);
    if (text === undefined) await bucket.delete(keyOf(newest));
    else bucket.plant(keyOf(newest), text);

    await pass();

    assert.equal(pemOf(await published()), pemOf(middle.entry));
  }
});

test('a history that names a PEM of other names is not believed', async () => {
  const { bucket, latest, pass, published } = await stage();
  const { entry } = await issuePem(bucket, 'a.test', { names: ['evil.test'] });
  const history = JSON.parse(bucket.text(layout.history(fleet, a)) ?? '');
  const { pems } = entry;
  bucket.plant(
    layout.history(fleet, a),
    JSON.stringify({
      ...history,
      versions: [{ ...history.versions[0], pems, sequence: 9e14 }, ...history.versions],
    }),
  );
  await bucket.delete(layout.root(fleet));

  await pass();

  assert.equal(pemOf(await published()), pemOf(latest));
});

test('what has expired does not come back', async () => {
  const { bucket } = await stage();
  await bucket.delete(layout.root(fleet));
  const { run, events } = passOver(bucket, { timing: fakeClock(after(noon, 100 * DAY_MS)) });

  const [outcome] = await run([{ identifiers: ['a.test'] }]);

  assert.equal(outcome?.reason, 'missing');
  assert.deepEqual(events.fieldsOf('manifest.restored'), []);
});

test('what is configured no more comes back only in place of what the root names', async () => {
  const { bucket, yesterday, newest, published } = await stage();
  const { run } = passOver(bucket);
  await bucket.delete(layout.root(fleet));
  await run([{ identifiers: ['b.test'] }]);
  assert.equal(await published(), undefined);
  bucket.plant(layout.root(fleet), yesterday);

  await run([{ identifiers: ['b.test'] }]);

  assert.equal(pemOf(await published()), pemOf(newest.entry));
});

test('another writer that has published a newer one meanwhile is not overruled', async () => {
  const { bucket, latest, middle } = await stage();
  const publisher = testPublisher(bucket, fleet);
  assert.ok(latest?.sequence);

  const names = await publisher.publishAgain(
    new Map([[a, { ...middle.entry, sequence: latest.sequence - 1 }]]),
  );

  assert.deepEqual(names, []);
  assert.equal(pemOf((await readPublished(bucket, fleet))?.manifest.certificates[a]), pemOf(latest));
});

test('histories that cannot be read: nothing is ordered in their place, and the next pass goes on', async () => {
  for (const lose of ['root of yesterday', 'no root'] as const) {
    const { bucket, yesterday, latest, published } = await stage();
    if (lose === 'no root') await bucket.delete(layout.root(fleet));
    else bucket.plant(layout.root(fleet), yesterday);
    let isDown = true;
    const get = (async (key: string, options: never) => {
      if (isDown && key.startsWith('issuer/history/')) {
        throw new BucketError('ERR_BUCKET_UNREACHABLE', key, 'as planted');
      }
      return bucket.get(key, options);
    }) as typeof bucket.get;
    const { run, events } = passOver(bucket, { bucket: { ...bucket, get }, timing: fakeClock(noon) });

    const [first] = await run([{ identifiers: ['a.test'] }]);
    await run([{ identifiers: ['a.test'] }]);
    isDown = false;
    const [last] = await run([{ identifiers: ['a.test'] }]);

    const { result, error } = first ?? {};
    const wanted = lose === 'no root' ? ['failed', 'ERR_BUCKET_UNREACHABLE'] : ['kept', undefined];
    assert.deepEqual([result, error?.code], wanted, lose);
    assert.equal(last?.result, 'kept');
    assert.equal(pemOf(await published()), pemOf(latest), lose);
    assert.deepEqual(
      events
        .fieldsOf('manifest.restored')
        .map(({ reason, count, failed }) => [reason, count, failed])
        .at(-1),
      ['unfinished', 1, 0],
    );
    assert.equal(JSON.parse(bucket.text(layout.tombstones(fleet)) ?? '').restoring, undefined);
  }
});
