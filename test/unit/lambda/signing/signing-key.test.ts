/** The issuer's signing key: made once, agreed on by all passes, never made anew over what another key has signed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketError, codeOf } from '#contract/errors.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { fleetName, hostName, layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import type { PublicKey } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';
import { rotateKey } from '../../../../lambda/signing/change-key.ts';
import { openSigningKey } from '../../../../lambda/signing/signing-key.ts';
import { signedRoot } from '../../../support/agent/publish.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import { fleet, makeHostStatus } from '../../../support/issuer/documents.ts';
import { madeUpSigning } from '../../../support/issuer/signing.ts';

const fleets = [fleet];

test('the first pass makes the key, and every later one has the same', async () => {
  const bucket = memoryBucket();

  const first = await openSigningKey(bucket, { fleets });
  const second = await openSigningKey(bucket, { fleets });

  assert.deepEqual(
    [second.lineage, second.signer.key, second.statements],
    [first.lineage, first.signer.key, []],
  );
  assert.ok(first.isOurs(first.signer.key));
  assert.ok(!first.isOurs(madeUpSigning().signer.key));
});

test('eight first passes at once agree on one key and one lineage', async () => {
  const bucket = memoryBucket();

  const opened = await Promise.all(Array.from({ length: 8 }, () => openSigningKey(bucket, { fleets })));

  assert.equal(new Set(opened.map(({ signer, lineage }) => `${signer.key} ${lineage}`)).size, 1);
});

test('a dry run has a key, and writes none', async () => {
  const bucket = memoryBucket();

  const { signer, isOurs } = await openSigningKey(bucket, { fleets, dryRun: true });

  assert.ok(isOurs(signer.key));
  assert.equal(bucket.text(layout.signingKey), undefined);
});

test('fleets that an issuer of version 1 published to are inherited, others never: whoever writes there later is not that issuer', async () => {
  const bucket = memoryBucket();
  const [one, late] = [fleetName.parse('one'), fleetName.parse('late')];
  await bucket.put(layout.manifest(one), '{"version":1}');

  await openSigningKey(bucket, { fleets: [fleet, one] });
  await bucket.put(layout.manifest(late), '{"version":1}');
  await bucket.put(layout.manifest(fleet), '{"version":1}');
  const { isInherited } = await openSigningKey(bucket, { fleets: [fleet, one, late] });

  assert.deepEqual([fleet, one, late].filter(isInherited), [one]);
});

const firstHead = JSON.parse(signedRoot(emptyManifest(fleet, noon), { fleet })).signature as string;

for (const [says, key, text] of [
  ['statements of keys', layout.keys(fleet), '{"version":1,"statements":[]}'],
  [
    'the only host has acted on a root',
    layout.status(fleet, hostName.parse('web1')),
    serializeHostStatus(makeHostStatus('web1', { head: firstHead })),
  ],
] as const) {
  test(`${says}, but no key: ERR_SIGNING_KEY_LOST, though published/ is empty`, async () => {
    const bucket = memoryBucket();
    await bucket.put(key, text);

    const error = await openSigningKey(bucket, { fleets }).catch((reason: unknown) => reason);

    assert.equal(codeOf(error), 'ERR_SIGNING_KEY_LOST');
  });
}

test('statuses of old agents, and what is none, are no sign of a key', async () => {
  const bucket = memoryBucket();
  await bucket.put(layout.status(fleet, hostName.parse('a')), serializeHostStatus(makeHostStatus('a')));
  await bucket.put(layout.status(fleet, hostName.parse('b')), '{');
  await bucket.put(`${layout.statuses(fleet)}UPPER.json`, '{}');

  await openSigningKey(bucket, { fleets });

  assert.ok(bucket.text(layout.signingKey));
});

test('no claim of one host among others stops the first pass; what two of them have does, and what the only one has', async () => {
  const [theirs, own] = [madeUpSigning(), madeUpSigning()];
  const headBy = ({ signer }: typeof theirs, of = fleet) =>
    JSON.parse(signedRoot(emptyManifest(of, noon), { fleet: of }, signer)).signature as string;
  const open = async (statuses: Record<string, object>) => {
    const bucket = memoryBucket(() => noon);
    for (const [host, changes] of Object.entries(statuses)) {
      const text = serializeHostStatus(makeHostStatus(host, changes));
      await bucket.put(layout.status(fleet, hostName.parse(host)), text);
    }
    const claims: string[] = [];
    const onLoneClaim = ({ object, key }: { object: string; key: string }) => claims.push(`${object} ${key}`);
    const code = await openSigningKey(bucket, { fleets, onLoneClaim }).then(() => 'opened', codeOf);
    return [code, ...claims];
  };
  const trust = { key: theirs.signer.key, isConfirmed: true };
  const other = fleetName.parse('other');
  const left = { leftAt: noon.toISOString() };

  assert.deepEqual(await open({ a: { trust }, b: { trust } }), ['opened']);
  assert.deepEqual(await open({ a: { head: headBy(theirs) }, b: {} }), [
    'opened',
    `${layout.status(fleet, hostName.parse('a'))} ${theirs.signer.key}`,
  ]);
  assert.deepEqual((await open({ a: { head: headBy(theirs) }, b: { head: headBy(own) } }))[0], 'opened');
  assert.deepEqual(await open({ a: { head: headBy(theirs, other) } }), ['opened']);
  const lost = ['ERR_SIGNING_KEY_LOST'];
  assert.deepEqual(await open({ a: { head: headBy(theirs) }, b: { head: headBy(theirs) } }), lost);
  assert.deepEqual(await open({ a: { head: headBy(theirs) } }), lost);
  assert.deepEqual(await open({ a: { head: headBy(theirs) }, b: left }), lost);
});

test('a signed root without the key to it is ERR_SIGNING_KEY_LOST, and no other key is made', async () => {
  const bucket = memoryBucket();
  await bucket.put(layout.root(fleet), signedRoot(emptyManifest(fleet, noon)));

  const error = await openSigningKey(bucket, { fleets }).catch((reason: unknown) => reason);

  assert.equal(codeOf(error), 'ERR_SIGNING_KEY_LOST');
  assert.match(String(error), /pemfleet key recover/);
  assert.equal(bucket.text(layout.signingKey), undefined);
});

for (const text of ['', '{}', '{"version":2,"privateKey":"SECRET"}', '{"version":1,"privateKey":"SECRET"}']) {
  test(`a signing key that is ${JSON.stringify(text)} is ERR_SIGNING_KEY: none is made, and the message holds nothing of it`, async () => {
    const bucket = memoryBucket();
    await bucket.put(layout.signingKey, text);

    const error = await openSigningKey(bucket, { fleets }).catch((reason: unknown) => reason);

    assert.equal(codeOf(error), 'ERR_SIGNING_KEY');
    assert.doesNotMatch(JSON.stringify([error, String(error)]), /SECRET/);
    assert.equal(bucket.text(layout.signingKey), text);
  });
}

test('no key, but a parameter from which hosts trust one: ERR_SIGNING_KEY_LOST, though the bucket is empty', async () => {
  const bucket = memoryBucket();
  const announced = { lineage: 'ours', key: madeUpSigning().signer.key };

  const error = await openSigningKey(bucket, { fleets, announced }).catch((reason: unknown) => reason);

  assert.equal(codeOf(error), 'ERR_SIGNING_KEY_LOST');
  assert.equal(bucket.text(layout.signingKey), undefined);
});

test('issuer/ and published/ of yesterday: the parameter shows that the key is one of today', async () => {
  const bucket = memoryBucket();
  const { lineage, signer } = await openSigningKey(bucket, { fleets });
  const open = (key: PublicKey, of = lineage) =>
    openSigningKey(bucket, { fleets, announced: { lineage: of, key } }).then(() => 'opened', codeOf);

  assert.equal(await open(madeUpSigning().signer.key), 'ERR_SIGNING_KEY_LOST');
  assert.equal(await open(signer.key), 'opened');
  // The operator has begun another lineage: the parameter still names the one before.
  assert.equal(await open(madeUpSigning().signer.key, 'theirs'), 'opened');
});

test('keys.json of one fleet that cannot be written is that fleet’s failure', async () => {
  const bucket = memoryBucket();
  const other = fleetName.parse('other');
  await openSigningKey(bucket, { fleets });
  const put = bucket.put.bind(bucket);
  const broken: Bucket = Object.assign(Object.create(bucket) as Bucket, {
    put: (...[key, ...rest]: Parameters<Bucket['put']>) =>
      key === layout.keys(fleet)
        ? Promise.reject(new BucketError('ERR_BUCKET_IO', key, 'is a directory'))
        : put(key, ...rest),
  });
  const change = { bucket: broken, configured: [fleet, other], now: noon, dryRun: false };

  await rotateKey(change);
  const { unpublished } = await openSigningKey(broken, { fleets: [fleet, other] });

  assert.deepEqual(
    [...(unpublished ?? [])].map(([name]) => name),
    [fleet],
  );
  assert.ok(bucket.text(layout.keys(other)));
});
