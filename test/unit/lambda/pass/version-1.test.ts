/** Version 1 in a pass: taken over once, written along while hosts need it, merged after a rollback; what somebody forges there is not signed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { certificateName, fleetName, hostName, layout } from '#contract/layout.ts';
import { parseManifest } from '#contract/manifest.ts';
import { type MemoryBucket, memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { fleet, makeHostStatus, named } from '../../../support/issuer/documents.ts';
import { passOver } from '../../../support/issuer/pass.ts';
import { madeUpSigning, readPublished, testSigning } from '../../../support/issuer/signing.ts';
import { issuePem, makeAuthority, putVersion1 } from '../../../support/issuer/version-1.ts';

const evil = await makeAuthority('evil CA');
const version1 = (bucket: MemoryBucket, of = fleet) =>
  parseManifest(of, Buffer.from(bucket.text(layout.manifest(of)) ?? '')).certificates;
const root = async (bucket: MemoryBucket, of = fleet) => {
  const read = await readPublished(bucket, of);
  assert.ok(read, 'there is a root');
  return read.manifest;
};
const digestOf = (manifest: { certificates: object }, name: string) =>
  (manifest.certificates as Record<string, { pems: { sha256: string }[] }>)[name]?.pems[0]?.sha256;
const certificate = (name: string) => ({ identifiers: [name] });

/** An hour after the first pass of this issuer, which has taken `a.test` over; `at` is the time of the next one. */
async function upgraded(names = ['a.test'], at = after(noon, HOUR_MS)) {
  const bucket = memoryBucket();
  const issued = [];
  for (const name of names) issued.push(await issuePem(bucket, name));
  await putVersion1(bucket, issued);
  await passOver(bucket).run(names.map(certificate));
  const later = (changes: Parameters<typeof passOver>[1] = {}) =>
    passOver(bucket, { timing: fakeClock(at), ...changes });
  return { bucket, later, issued };
}

test('first upgrade: what is published is signed as it is, configured or not; a lost PEM is left out, and stays for old agents', async () => {
  const bucket = memoryBucket();
  const all = [];
  for (const name of ['a.test', 'gone.test', 'lost.test']) all.push(await issuePem(bucket, name));
  await putVersion1(bucket, all);
  const [a, gone, lost] = all;
  await bucket.delete(layout.pem(fleet, named('lost.test'), lost?.entry.pems[0]?.sha256 ?? ''));
  const { run, events } = passOver(bucket);

  const outcomes = await run([certificate('a.test'), certificate('lost.test')]);

  assert.deepEqual(
    outcomes.map(({ result, reason }) => `${result} ${reason}`),
    ['kept fresh', 'failed missing'],
  );
  const { certificates } = await root(bucket);
  assert.deepEqual(Object.keys(certificates).sort(), ['a.test', 'gone.test']);
  assert.equal(digestOf({ certificates }, 'a.test'), a?.entry.pems[0]?.sha256);
  assert.equal(digestOf({ certificates }, 'gone.test'), gone?.entry.pems[0]?.sha256);
  assert.deepEqual(
    events.fieldsOf('manifest.refused').map(({ certificate }) => certificate),
    ['lost.test'],
  );
  assert.deepEqual(Object.keys(version1(bucket)).sort(), ['a.test', 'gone.test', 'lost.test']);
});

test('first upgrade: a forged PEM under a published name is not signed', async () => {
  const bucket = memoryBucket();
  const { entry, name, text } = await issuePem(bucket, 'a.test');
  const sha256 = entry.pems[0]?.sha256 ?? '';
  await bucket.put(layout.pem(fleet, named(name), sha256), text.replace('MI', 'MJ'));
  await putVersion1(bucket, [{ entry, name, text }]);
  const { run } = passOver(bucket);

  await run([certificate('a.test')]);

  assert.deepEqual((await root(bucket)).certificates, {});
});

test('a manifest of version 1 in a fleet that was not there when the key was made is not taken over', async () => {
  const bucket = memoryBucket();
  await putVersion1(bucket, [await issuePem(bucket, 'a.test', { by: evil })]);
  const { run, events } = passOver(bucket, { signing: { ...madeUpSigning(), isInherited: () => false } });

  const [outcome] = await run([certificate('a.test')]);

  assert.equal(outcome?.reason, 'missing');
  assert.equal(await readPublished(bucket, fleet), undefined);
  assert.match(String(events.fieldsOf('manifest.refused')[0]?.['reason']), /browsers do not trust/);
});

test('after a rollback: what an old issuer renewed is signed, an order less; version 1 says the same', async () => {
  const { bucket, later } = await upgraded();
  const renewed = await issuePem(bucket, 'a.test', { at: after(noon, MINUTE_MS) });
  await putVersion1(bucket, [renewed], { at: after(noon, 2 * MINUTE_MS) });
  const { run, events } = later();

  const [outcome] = await run([certificate('a.test')]);

  const sha256 = renewed.entry.pems[0]?.sha256;
  const manifest = await root(bucket);
  assert.equal(outcome?.result, 'kept');
  assert.equal(digestOf(manifest, 'a.test'), sha256);
  assert.ok(manifest.certificates[named('a.test')]?.pems[0]?.receipt);
  assert.deepEqual(
    events.names().filter((name) => name.startsWith('manifest.merged')),
    ['manifest.merged a.test'],
  );
  assert.equal(digestOf({ certificates: version1(bucket) }, 'a.test'), sha256);
});

test('after a rollback: a dry run plans as if it were merged, and writes nothing', async () => {
  const { bucket, later } = await upgraded();
  const added = await issuePem(bucket, 'b.test', { at: after(noon, MINUTE_MS) });
  await putVersion1(bucket, [added], { at: after(noon, 2 * MINUTE_MS) });
  const before = bucket.text(layout.root(fleet));

  const outcomes = await later().run([certificate('a.test'), certificate('b.test')], { dryRun: true });

  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ['kept', 'kept'],
  );
  assert.equal(bucket.text(layout.root(fleet)), before);
});

test('after a rollback: a pass over some certificates merges those of others too', async () => {
  const { bucket, later } = await upgraded(['a.test', 'b.test']);
  const renewed = await issuePem(bucket, 'b.test', { at: after(noon, MINUTE_MS) });
  await putVersion1(bucket, [renewed], { at: after(noon, 2 * MINUTE_MS) });

  await later().run([certificate('a.test'), certificate('b.test')], { only: [named('a.test')] });

  assert.equal(digestOf(await root(bucket), 'b.test'), renewed.entry.pems[0]?.sha256);
});

const other = fleetName.parse('other');
/** By somebody who can write to `published/` only, after this issuer has signed. */
const ATTACKS: [says: string, attack: (bucket: MemoryBucket) => Promise<unknown>][] = [
  [
    'a certificate of his own CA in the place of ours',
    async (bucket) =>
      putVersion1(bucket, [await issuePem(bucket, 'a.test', { by: evil, at: after(noon, MINUTE_MS) })], {
        at: after(noon, 2 * MINUTE_MS),
      }),
  ],
  [
    'the same, and the mark forged',
    async (bucket) => {
      await putVersion1(bucket, [await issuePem(bucket, 'a.test', { by: evil, at: after(noon, MINUTE_MS) })]);
      const document = JSON.parse(bucket.text(layout.manifest(fleet)) ?? '');
      const alongside = { sequence: 9_007_199_254_740_991, updatedAt: document.updatedAt };
      await bucket.put(layout.manifest(fleet), JSON.stringify({ ...document, alongside }));
    },
  ],
  [
    'a certificate from before ours, which he has kept',
    async (bucket) =>
      putVersion1(bucket, [await issuePem(bucket, 'a.test', { at: after(noon, -9 * DAY_MS) })], {
        at: after(noon, 2 * MINUTE_MS),
      }),
  ],
  [
    'root.json deleted, and a manifest of version 1 of his own',
    async (bucket) => {
      await bucket.delete(layout.root(fleet));
      await bucket.delete(layout.manifest(fleet));
      await putVersion1(bucket, [await issuePem(bucket, 'a.test', { by: evil, at: after(noon, MINUTE_MS) })]);
    },
  ],
  [
    'root.json deleted, and an older certificate of ours in version 1',
    async (bucket) => {
      await bucket.delete(layout.root(fleet));
      await bucket.delete(layout.manifest(fleet));
      await putVersion1(bucket, [await issuePem(bucket, 'a.test', { at: after(noon, -9 * DAY_MS) })]);
    },
  ],
  [
    'version 1 truncated',
    (bucket) => bucket.put(layout.manifest(fleet), (bucket.text(layout.manifest(fleet)) ?? '').slice(0, 99)),
  ],
  [
    'version 1 without its mark, and without certificates',
    (bucket) =>
      bucket.put(
        layout.manifest(fleet),
        JSON.stringify({ version: 1, fleet, updatedAt: noon, certificates: {} }),
      ),
  ],
];

for (const [says, attack] of ATTACKS) {
  test(`not signed: ${says}`, async () => {
    const { bucket, later, issued } = await upgraded();
    await attack(bucket);

    await later().run([certificate('a.test')]);

    const signed = digestOf(await root(bucket), 'a.test');
    const ours = issued[0]?.entry.pems[0]?.sha256;
    assert.ok(signed === ours || signed === undefined, 'the root has ours or nothing');
  });
}

test('a certificate of another fleet does not come in by version 1', async () => {
  const { bucket, later } = await upgraded();
  const at = after(noon, MINUTE_MS);
  await putVersion1(bucket, [await issuePem(bucket, 'a.test', { at, to: other })], { to: other });

  await later({ signing: { ...testSigning, isInherited: (name) => name === fleet } }).run([
    certificate('a.test'),
  ]);

  assert.equal(await readPublished(bucket, other), undefined);
});

const statusOf = (contract: number | undefined, at: Date) =>
  serializeHostStatus(
    makeHostStatus('lb1', { reportedAt: at.toISOString(), ...(contract !== undefined && { contract }) }),
  );

test('contract.v1 off writes no version 1, on writes it where nobody asks', async () => {
  for (const v1 of ['off', 'on'] as const) {
    const bucket = memoryBucket();
    const { passFor } = passOver(bucket);
    const pass = passFor([certificate('a.test')]);
    const { entry, text, name } = await issuePem(bucket, 'a.test');
    const { surveyBucket } = await import('../../../../lambda/pass/survey.ts');
    const survey = await surveyBucket({ ...pass, config: { ...pass.config, contract: { v1 } } });
    const texts = [{ sha256: entry.pems[0]?.sha256 ?? '', text }];

    await survey.publishers.get(fleet)?.publish(certificateName.parse(name), entry, texts);

    assert.equal(bucket.text(layout.manifest(fleet)) !== undefined, v1 === 'on', v1);
  }
});

test('contract.v1 auto: version 1 ends a month after the last old agent, and comes back with one', async () => {
  const { bucket } = await upgraded();
  const statusKey = layout.status(fleet, hostName.parse('lb1'));
  const passAt = async (days: number, contract: number | undefined) => {
    const now = after(noon, days * DAY_MS);
    await bucket.put(statusKey, statusOf(contract, now));
    const book = {
      version: 1,
      calls: [],
      version1At: { default: noon },
      fleets: { default: { lb1: { etag: 'x', reportedAt: now, contract: contract ?? 1, states: {} } } },
    };
    await bucket.put(layout.hostSummaries, JSON.stringify(book));
    const renewed = await issuePem(bucket, 'a.test', { at: after(now, -HOUR_MS) });
    const { passFor } = passOver(bucket, { timing: fakeClock(now) });
    const { surveyBucket } = await import('../../../../lambda/pass/survey.ts');
    const survey = await surveyBucket(passFor([certificate('a.test')]));
    const texts = [{ sha256: renewed.entry.pems[0]?.sha256 ?? '', text: renewed.text }];
    await survey.publishers.get(fleet)?.publish(named('a.test'), renewed.entry, texts);
    return digestOf({ certificates: version1(bucket) }, 'a.test') === renewed.entry.pems[0]?.sha256;
  };

  assert.deepEqual(
    [await passAt(29, 2), await passAt(31, 2), await passAt(32, undefined)],
    [true, false, true],
  );
});

test('version 1 that cannot be written undoes no commit, and is told', async () => {
  const { bucket } = await upgraded();
  const { interposed } = await import('../../../support/bucket/interposed.ts');
  const { BucketError } = await import('#contract/errors.ts');
  const put: MemoryBucket['put'] = async (key, body, condition) => {
    if (key === layout.manifest(fleet)) throw new BucketError('ERR_BUCKET_SIZE', key, 'too large');
    return bucket.put(key, body, condition);
  };
  const renewed = await issuePem(bucket, 'a.test', { at: after(noon, MINUTE_MS) });
  await putVersion1(bucket, [renewed], { at: after(noon, 2 * MINUTE_MS) });
  const { run, events } = passOver(interposed(bucket, { put }) as MemoryBucket, {
    timing: fakeClock(after(noon, HOUR_MS)),
  });

  const [outcome] = await run([certificate('a.test')]);

  assert.equal(outcome?.result, 'kept');
  assert.equal(digestOf(await root(bucket), 'a.test'), renewed.entry.pems[0]?.sha256);
  assert.equal(events.fieldsOf('version-1.failed')[0]?.['code'], 'ERR_BUCKET_SIZE');
});

test('what a root lost stays for old agents, until it has expired', async () => {
  const { bucket, later } = await upgraded(['a.test', 'b.test']);
  await bucket.delete(layout.root(fleet));

  await later().run([certificate('a.test'), certificate('b.test')]);

  assert.deepEqual(Object.keys(version1(bucket)).sort(), ['a.test', 'b.test']);
});
