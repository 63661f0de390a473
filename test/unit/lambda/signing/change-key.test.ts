/** How the issuer's key changes, and what hosts with an old one make of it. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { HOUR_MS } from '#common/time.ts';
import { codeOf } from '#contract/errors.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { followKeys, parseKeys, signKeyStatement, type TrustedKey } from '#contract/key-chain.ts';
import { fleetName, layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import { generatePrivateKey, type PublicKey, type Signer, signerOf } from '#contract/statement.ts';
import {
  type KeyChange,
  nameRecoveryKey,
  recoverKey,
  replaceKey,
  rotateKey,
} from '../../../../lambda/signing/change-key.ts';
import { readSigningKey, trustedBy } from '../../../../lambda/signing/record.ts';
import { createRecoveryKey, readRecoveryKey } from '../../../../lambda/signing/recovery-file.ts';
import { openSigningKey } from '../../../../lambda/signing/signing-key.ts';
import { signedRoot } from '../../../support/agent/publish.ts';
import { type MemoryBucket, memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeHostStatus } from '../../../support/issuer/documents.ts';
import { makeFileNames } from '../../../support/temp-dir.ts';

const newFile = makeFileNames('.json');
const fleets = [fleet];
const other = fleetName.parse('old');
const thief = signerOf(generatePrivateKey());

const refusedBy = (work: Promise<unknown>) => work.then(() => 'nothing', codeOf);
const host = (key: PublicKey, changes: Partial<TrustedKey> = {}): TrustedKey => ({
  ...{ key, number: 0, recoveredAt: 0 },
  ...changes,
});

/** An issuer with a key, and hours that pass. */
async function startIssuer() {
  const bucket = memoryBucket();
  let hours = 0;
  const open = (names = fleets) => openSigningKey(bucket, { fleets: names });
  const change = (changes: Partial<KeyChange> = {}): KeyChange => {
    hours += 2;
    return { bucket, configured: fleets, now: after(noon, hours * HOUR_MS), dryRun: false, ...changes };
  };
  const publish = async (signer: Signer, sequence = noon.getTime()) => {
    await bucket.put(layout.root(fleet), signedRoot(emptyManifest(fleet, noon), { fleet, sequence }, signer));
  };
  const first = await open();
  return { bucket, open, change, publish, first };
}

function published(bucket: MemoryBucket, name = fleet): string[] {
  return parseKeys(name, Buffer.from(bucket.text(layout.keys(name)) ?? ''));
}

const copyOf = (bucket: MemoryBucket) => bucket.text(layout.signingKey) ?? '';

async function makeRecoveryKey(issuer: Awaited<ReturnType<typeof startIssuer>>) {
  const file = newFile();
  await nameRecoveryKey(issuer.change(), file);
  return file;
}

test('after two rotations a host of the first key finds the third, and what the first signed is still ours', async () => {
  const issuer = await startIssuer();

  await rotateKey(issuer.change());
  await rotateKey(issuer.change());

  const now = await issuer.open();
  assert.equal(followKeys(published(issuer.bucket), host(issuer.first.signer.key)).key, now.signer.key);
  assert.equal(now.lineage, issuer.first.lineage);
  assert.ok(now.isOurs(issuer.first.signer.key, noon.getTime()));
  assert.notEqual(now.signer.key, issuer.first.signer.key);
});

test('an old copy of a retired key signs nothing that counts: its sequences end at the rotation', async () => {
  const issuer = await startIssuer();

  const { number } = await rotateKey(issuer.change());

  const { isOurs } = await issuer.open();
  assert.ok(!isOurs(issuer.first.signer.key, number + 2 * HOUR_MS));
  assert.ok(!isOurs(issuer.first.signer.key, Number.MAX_SAFE_INTEGER));
});

test('a root that ran ahead of the clock stays ours after a rotation', async () => {
  const issuer = await startIssuer();
  const sequence = after(noon, 12 * HOUR_MS).getTime();
  await issuer.publish(issuer.first.signer, sequence);

  await rotateKey(issuer.change());

  assert.ok((await issuer.open()).isOurs(issuer.first.signer.key, sequence));
});

test('the private half of a retired key is in the record no more', async () => {
  const issuer = await startIssuer();
  const before = JSON.parse(copyOf(issuer.bucket)).privateKey;

  await rotateKey(issuer.change());

  assert.ok(!copyOf(issuer.bucket).includes(JSON.stringify(before).slice(1, -1)));
});

test('a rotation reaches a fleet that no certificate names any more', async () => {
  const issuer = await startIssuer();
  await issuer.bucket.put(layout.manifest(other), '{}');

  await rotateKey(issuer.change());

  assert.deepEqual(published(issuer.bucket, other), published(issuer.bucket));
});

test('keys.json that is lost, spoilt or somebody else’s is written again by the next pass', async () => {
  const issuer = await startIssuer();
  await rotateKey(issuer.change());
  const wanted = issuer.bucket.text(layout.keys(fleet));
  const foreign = signKeyStatement(thief, {
    ...{ lineage: issuer.first.lineage, number: 1, key: thief.key },
    at: noon.toISOString(),
  });
  for (const text of [undefined, '', '{"version":9}', `{"version":1,"statements":["${foreign}"]}`]) {
    if (text === undefined) await issuer.bucket.delete(layout.keys(fleet));
    else await issuer.bucket.put(layout.keys(fleet), text);

    await issuer.open();

    assert.equal(issuer.bucket.text(layout.keys(fleet)), wanted, text);
  }
});

test('two rotations at once: one of them is refused, and the key is one', async () => {
  const issuer = await startIssuer();

  const results = await Promise.all([1, 2].map(() => refusedBy(rotateKey(issuer.change()))));

  assert.deepEqual(results.sort(), ['ERR_BUCKET_CONFLICT', 'nothing']);
  assert.equal((await issuer.open()).statements.length, 1);
});

test('a dry run of a rotation and of a recovery key changes nothing, and makes no file', async () => {
  const issuer = await startIssuer();
  const before = [copyOf(issuer.bucket), issuer.bucket.text(layout.keys(fleet))];
  const dry = issuer.change({ dryRun: true });

  await rotateKey(dry);
  const file = newFile();
  await nameRecoveryKey(dry, file);
  await replaceKey(dry, []);

  assert.deepEqual([copyOf(issuer.bucket), issuer.bucket.text(layout.keys(fleet))], before);
  assert.ok(!existsSync(file));
});

test('yesterday’s copy of issuer/ from before a rotation: ERR_SIGNING_KEY_LOST, nothing is written', async () => {
  const issuer = await startIssuer();
  const yesterday = copyOf(issuer.bucket);
  await rotateKey(issuer.change());
  const keys = issuer.bucket.text(layout.keys(fleet));
  await issuer.bucket.put(layout.signingKey, yesterday);

  const code = await refusedBy(issuer.open());

  assert.equal(code, 'ERR_SIGNING_KEY_LOST');
  assert.equal(issuer.bucket.text(layout.keys(fleet)), keys);
  assert.equal(copyOf(issuer.bucket), yesterday);
});

test('yesterday’s copy of issuer/ from before the recovery key was made: the issuer knows it again', async () => {
  const issuer = await startIssuer();
  const yesterday = copyOf(issuer.bucket);
  const file = await makeRecoveryKey(issuer);
  const keys = issuer.bucket.text(layout.keys(fleet));
  await issuer.bucket.put(layout.signingKey, yesterday);

  await issuer.open();

  const stored = await readSigningKey(issuer.bucket);
  assert.equal(stored?.record.recoveryKey, (await readRecoveryKey(file)).signer.key);
  assert.equal(issuer.bucket.text(layout.keys(fleet)), keys);
});

for (const [says, lose] of [
  ['issuer/ is lost', async (bucket: MemoryBucket) => bucket.delete(layout.signingKey)],
  ['the key is spoilt', async (bucket: MemoryBucket) => void (await bucket.put(layout.signingKey, '{}'))],
] as const) {
  test(`${says}: the recovery key names a new key in the same lineage, and every host follows`, async () => {
    const issuer = await startIssuer();
    const file = await makeRecoveryKey(issuer);
    await rotateKey(issuer.change());
    const second = await issuer.open();
    await issuer.publish(second.signer);
    await lose(issuer.bucket);
    const stopped = await refusedBy(issuer.open());

    await recoverKey(issuer.change(), await readRecoveryKey(file));

    const { signer, lineage, isOurs } = await issuer.open();
    assert.match(stopped, /^ERR_SIGNING_KEY/);
    assert.equal(lineage, issuer.first.lineage);
    assert.ok(isOurs(second.signer.key, noon.getTime()), 'what is published stays ours');
    for (const old of [issuer.first, second]) {
      assert.equal(followKeys(published(issuer.bucket), host(old.signer.key)).key, signer.key);
    }
    assert.notEqual(signer.key, second.signer.key);
  });
}

test('issuer/ and published/ are lost, and a pass has begun another lineage: the recovery key leads back', async () => {
  const issuer = await startIssuer();
  const file = await makeRecoveryKey(issuer);
  const recovery = await readRecoveryKey(file);
  for (const key of [layout.signingKey, layout.keys(fleet)]) await issuer.bucket.delete(key);
  const between = await issuer.open();

  await recoverKey(issuer.change(), recovery, { isOtherLineage: true });

  const { signer, lineage, isOurs } = await issuer.open();
  assert.notEqual(between.lineage, lineage);
  assert.equal(lineage, issuer.first.lineage);
  assert.ok(isOurs(between.signer.key, noon.getTime()));
  const pinned = host(issuer.first.signer.key, { recoveryKey: recovery.signer.key });
  assert.equal(followKeys(published(issuer.bucket), pinned).key, signer.key);
});

test('a restored issuer/ recovers, and can rotate and recover again', async () => {
  const issuer = await startIssuer();
  const recovery = await readRecoveryKey(await makeRecoveryKey(issuer));
  const yesterday = copyOf(issuer.bucket);
  await rotateKey(issuer.change());
  await issuer.bucket.put(layout.signingKey, yesterday);

  await recoverKey(issuer.change(), recovery);
  const second = await issuer.open();
  await rotateKey(issuer.change());
  await recoverKey(issuer.change(), recovery);

  const { signer } = await issuer.open();
  for (const old of [issuer.first, second]) {
    assert.equal(followKeys(published(issuer.bucket), host(old.signer.key)).key, signer.key);
  }
});

test('a host that first met the key after a recovery knows the recovery key too', async () => {
  const issuer = await startIssuer();
  const recovery = await readRecoveryKey(await makeRecoveryKey(issuer));
  await recoverKey(issuer.change(), recovery);
  const second = await issuer.open();
  await issuer.bucket.delete(layout.signingKey);

  await recoverKey(issuer.change(), recovery);

  const { signer } = await issuer.open();
  assert.equal(followKeys(published(issuer.bucket), host(second.signer.key)).key, signer.key);
});

test('a thief of the key hands it over to his own: the issuer stops and says so; recovered, no host follows him, and what he signs is not ours', async () => {
  const issuer = await startIssuer();
  const recovery = await readRecoveryKey(await makeRecoveryKey(issuer));
  const { signer: stolen, lineage } = await issuer.open();
  const at = noon.toISOString();
  const his = (number: number) => signKeyStatement(stolen, { lineage, number, key: thief.key, at });
  const forged = [his(Number.MAX_SAFE_INTEGER), his(after(noon, 3 * HOUR_MS).getTime())];
  const statements = [...published(issuer.bucket), ...forged];
  await issuer.bucket.put(layout.keys(fleet), JSON.stringify({ version: 1, statements }));
  await issuer.publish(stolen, Number.MAX_SAFE_INTEGER);
  const stopped = await refusedBy(issuer.open());

  await recoverKey(issuer.change(), recovery, { isStolen: true });

  const { signer, isOurs, lowestSequence } = await issuer.open();
  const misled = followKeys(forged, host(stolen.key, { recoveryKey: recovery.signer.key }));
  assert.equal(stopped, 'ERR_SIGNING_KEY_LOST');
  assert.equal(misled.key, thief.key);
  for (const from of [host(stolen.key), misled]) {
    assert.equal(followKeys([...forged, ...published(issuer.bucket)], from).key, signer.key);
  }
  assert.ok(!isOurs(stolen.key, noon.getTime()) && !isOurs(thief.key, noon.getTime()));
  assert.ok(lowestSequence < after(noon, 24 * HOUR_MS).getTime(), 'no thief pushes numbers to their end');
});

test('the recovery key is changed by itself only, and the file before it is refused from then on', async () => {
  const issuer = await startIssuer();
  const old = await readRecoveryKey(await makeRecoveryKey(issuer));
  const file = newFile();

  const alone = await refusedBy(nameRecoveryKey(issuer.change(), file));
  await nameRecoveryKey(issuer.change(), file, old);

  const pinned = host(issuer.first.signer.key, { recoveryKey: old.signer.key });
  const next = await readRecoveryKey(file);
  assert.equal(alone, 'ERR_RECOVERY_KEY');
  assert.equal(followKeys(published(issuer.bucket), pinned).recoveryKey, next.signer.key);
  assert.equal(await refusedBy(recoverKey(issuer.change(), old)), 'ERR_RECOVERY_KEY');
  await issuer.bucket.delete(layout.signingKey);
  assert.equal(await refusedBy(recoverKey(issuer.change(), old)), 'ERR_RECOVERY_KEY');
  assert.equal(await refusedBy(recoverKey(issuer.change(), next)), 'nothing');
});

test('a change of the recovery key to itself is refused; one that is done already is done', async () => {
  const issuer = await startIssuer();
  const [first, file] = [await makeRecoveryKey(issuer), newFile()];
  const old = await readRecoveryKey(first);
  const before = copyOf(issuer.bucket);

  const same = await refusedBy(nameRecoveryKey(issuer.change(), first, old));
  const unchanged = copyOf(issuer.bucket);
  const changed = await nameRecoveryKey(issuer.change(), file, old);
  const again = await nameRecoveryKey(issuer.change(), file, old);

  assert.deepEqual([same, unchanged], ['ERR_RECOVERY_KEY', before]);
  assert.notEqual(changed.recoveryKey, old.signer.key);
  assert.deepEqual(again, changed);
});

test('a command that was killed between the recovery key’s file and the record goes on with the same file', async () => {
  const issuer = await startIssuer();
  const file = newFile();
  const stored = await readSigningKey(issuer.bucket);
  assert.ok(stored);
  const made = await createRecoveryKey(file, trustedBy(stored));

  await nameRecoveryKey(issuer.change(), file);

  assert.equal((await readSigningKey(issuer.bucket))?.record.recoveryKey, made.signer.key);
});

test('a new key has a lineage of its own, and takes over only what the adopted key has signed', async () => {
  const issuer = await startIssuer();
  await issuer.publish(issuer.first.signer);
  await issuer.bucket.delete(layout.signingKey);

  await replaceKey(issuer.change(), [issuer.first.signer.key]);

  const { lineage, isOurs } = await issuer.open();
  assert.notEqual(lineage, issuer.first.lineage);
  assert.ok(isOurs(issuer.first.signer.key, noon.getTime()));
  assert.ok(!isOurs(issuer.first.signer.key, Number.MAX_SAFE_INTEGER));
  assert.ok(!isOurs(thief.key));
});

test('the recovery key of another issuer is refused, whatever is left that shows the lineage; on the operator’s word it is taken', async () => {
  const others = await readRecoveryKey(await makeRecoveryKey(await startIssuer()));
  const left: [string, (issuer: Awaited<ReturnType<typeof startIssuer>>) => Promise<unknown>][] = [
    ['the key', async () => undefined],
    [
      'a root',
      async ({ bucket, publish, first }) => {
        await publish(first.signer);
        await bucket.delete(layout.signingKey);
        await bucket.delete(layout.keys(fleet));
      },
    ],
    ['keys.json', ({ bucket }) => bucket.delete(layout.signingKey)],
    [
      'what a host has read',
      async ({ bucket, publish, first }) => {
        await publish(first.signer);
        const head = /"signature": "([^"]+)"/.exec(bucket.text(layout.root(fleet)) ?? '')?.[1] ?? '';
        const status = makeHostStatus('lb1', { contract: 2, head });
        await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
        const gone = [layout.signingKey, layout.keys(fleet), layout.root(fleet)];
        await Promise.all(gone.map((key) => bucket.delete(key)));
      },
    ],
  ];
  for (const [what, lose] of left) {
    const issuer = await startIssuer();
    await makeRecoveryKey(issuer);
    await lose(issuer);
    const before = copyOf(issuer.bucket);

    assert.equal(await refusedBy(recoverKey(issuer.change(), others)), 'ERR_RECOVERY_KEY', what);
    assert.equal(copyOf(issuer.bucket), before);
    await recoverKey(issuer.change(), others, { isOtherLineage: true });

    assert.equal((await readSigningKey(issuer.bucket))?.record.lineage, others.trusted.lineage);
  }
});

test('everything is lost, a pass has begun another lineage, and a host has the old one still: the file of that is taken', async () => {
  const issuer = await startIssuer();
  const { bucket } = issuer;
  const recovery = await readRecoveryKey(await makeRecoveryKey(issuer));
  await bucket.put(
    layout.root(fleet),
    signedRoot(emptyManifest(fleet, noon), { fleet, lineage: issuer.first.lineage }, issuer.first.signer),
  );
  const head = /"signature": "([^"]+)"/.exec(bucket.text(layout.root(fleet)) ?? '')?.[1] ?? '';
  for (const key of [layout.signingKey, layout.keys(fleet), layout.root(fleet)]) await bucket.delete(key);
  await issuer.open();
  const status = makeHostStatus('lb1', { contract: 2, head });
  await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));

  await recoverKey(issuer.change(), recovery);

  assert.equal((await issuer.open()).lineage, issuer.first.lineage);
});

for (const isThere of [true, false]) {
  test(`one recovery key has named another, and issuer/ is ${isThere ? 'there' : 'lost'}: a host that knows the first follows the second`, async () => {
    const issuer = await startIssuer();
    const first = await readRecoveryKey(await makeRecoveryKey(issuer));
    await rotateKey(issuer.change());
    const file = newFile();
    await nameRecoveryKey(issuer.change(), file, first);
    const before = published(issuer.bucket);
    if (!isThere) await issuer.bucket.delete(layout.signingKey);

    const second = await readRecoveryKey(file);
    await recoverKey(issuer.change(), second);

    const { signer } = await issuer.open();
    for (const recoveryKey of [undefined, first.signer.key]) {
      const slept = followKeys(published(issuer.bucket), host(issuer.first.signer.key, { recoveryKey }));
      assert.deepEqual([slept.key, slept.recoveryKey], [signer.key, second.signer.key]);
    }
    assert.deepEqual(
      before.filter((text) => !published(issuer.bucket).includes(text)),
      [],
    );
  });
}

test('who names our key as the next one after his own gets a place in keys.json, and no say', async () => {
  const issuer = await startIssuer();
  const recovery = await readRecoveryKey(await makeRecoveryKey(issuer));
  const { lineage, signer } = issuer.first;
  const at = noon.toISOString();
  const his = Array.from({ length: 990 }, (_, index) =>
    signKeyStatement(thief, { lineage, number: index + 1, key: signer.key, at }),
  );
  const statements = [...his, ...published(issuer.bucket)];
  await issuer.bucket.put(layout.keys(fleet), JSON.stringify({ version: 1, statements }));
  await issuer.bucket.delete(layout.signingKey);

  await recoverKey(issuer.change(), recovery);

  const { isOurs, signer: next } = await issuer.open();
  assert.ok(!isOurs(thief.key) && isOurs(signer.key));
  const pinned = host(signer.key, { recoveryKey: recovery.signer.key });
  assert.equal(followKeys(published(issuer.bucket), pinned).key, next.key);
  assert.ok((issuer.bucket.text(layout.keys(fleet)) ?? '').length < 400_000);
});

test('a file that is missing, a folder, or in no directory is refused with a code, and nothing is changed', async () => {
  const issuer = await startIssuer();
  const before = copyOf(issuer.bucket);
  const missing = newFile();
  const below = `${missing}/recovery.json`;

  const refusals = [
    () => readRecoveryKey(missing),
    () => readRecoveryKey('/'),
    () => nameRecoveryKey(issuer.change(), below),
    () => nameRecoveryKey(issuer.change(), '/'),
  ];

  for (const refusal of refusals) {
    await assert.rejects(refusal, {
      code: 'ERR_RECOVERY_KEY',
      message: /^\S+: (there is no such file|cannot be)/,
    });
  }
  assert.equal(copyOf(issuer.bucket), before);
});

test('a copy of issuer/ from before the recovery key was made, or from before it named another: the file of today recovers', async () => {
  const issuer = await startIssuer();
  const atFirst = copyOf(issuer.bucket);
  const old = await readRecoveryKey(await makeRecoveryKey(issuer));
  const before = copyOf(issuer.bucket);
  const file = newFile();
  await nameRecoveryKey(issuer.change(), file, old);
  await rotateKey(issuer.change());
  const today = await readRecoveryKey(file);
  const keys = issuer.bucket.text(layout.keys(fleet)) ?? '';
  for (const copy of [atFirst, before]) {
    await issuer.bucket.put(layout.signingKey, copy);
    await issuer.bucket.put(layout.keys(fleet), keys);

    assert.equal(await refusedBy(recoverKey(issuer.change(), old)), 'ERR_RECOVERY_KEY');
    assert.equal(await refusedBy(recoverKey(issuer.change(), today)), 'nothing');

    const { signer } = await issuer.open();
    for (const recoveryKey of [undefined, old.signer.key, today.signer.key]) {
      const slept = host(issuer.first.signer.key, { recoveryKey });
      assert.equal(followKeys(published(issuer.bucket), slept).key, signer.key);
    }
  }
});

test('a stolen key, and a recovery of which published/ alone knows: the next one is later', async () => {
  const issuer = await startIssuer();
  const recovery = await readRecoveryKey(await makeRecoveryKey(issuer));
  const yesterday = copyOf(issuer.bucket);
  await recoverKey(issuer.change({ now: after(noon, 1000 * HOUR_MS) }), recovery);
  const { statements } = await issuer.open();
  const pinned = host(issuer.first.signer.key, { recoveryKey: recovery.signer.key });
  const followed = followKeys(statements, pinned);
  await issuer.bucket.put(layout.signingKey, yesterday);

  await recoverKey(issuer.change(), recovery, { isStolen: true });

  const { signer } = await issuer.open();
  assert.equal(followKeys(published(issuer.bucket), followed).key, signer.key);
});

test('a host reports what it likes: it pushes no number to its end, and makes no key ours', async () => {
  const issuer = await startIssuer();
  const recovery = await readRecoveryKey(await makeRecoveryKey(issuer));
  const { lineage } = issuer.first;
  const sequence = Number.MAX_SAFE_INTEGER;
  const root = signedRoot(emptyManifest(fleet, noon), { fleet, lineage, sequence }, thief);
  const head = /"signature": "([^"]+)"/.exec(root)?.[1] ?? '';
  const claims = { lineage, number: sequence, key: thief.key, recoveryKey: recovery.signer.key };
  const forged = signKeyStatement(thief, { ...claims, at: noon.toISOString() });
  for (const text of [forged, 'nonsense']) {
    const trust = { key: thief.key, isConfirmed: true, recovery: text };
    const status = makeHostStatus('lb1', { contract: 2, head, trust });
    await issuer.bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
    await issuer.bucket.delete(layout.signingKey);

    await recoverKey(issuer.change(), recovery);

    const { isOurs, lowestSequence, statements } = await issuer.open();
    assert.ok(!isOurs(thief.key) && !statements.includes(forged));
    assert.ok(lowestSequence < after(noon, 24 * HOUR_MS).getTime());
  }
});
