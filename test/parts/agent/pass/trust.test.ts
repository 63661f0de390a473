// Whose manifests a host takes: first contact, rotations, other keys and lineages, old copies, losses, and the operator's word.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { serializeKeys, signKeyStatement } from '#contract/key-chain.ts';
import { certificateName, layout } from '#contract/layout.ts';
import { emptyManifest, serializeManifest } from '#contract/manifest.ts';
import { generatePrivateKey, type PublicKey, type Signer, signerOf } from '#contract/statement.ts';
import { exitStatusOfTrust } from '../../../../agent/cli/trust.ts';
import { examineBucket } from '../../../../agent/doctor/bucket.ts';
import { showTrust } from '../../../../agent/operator/trust-word.ts';
import { syncHost } from '../../../../agent/pass/instances.ts';
import { OWNERSHIP_FILE } from '../../../../agent/state/ownership.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { fleet } from '../../../support/agent/host.ts';
import { agentHere, spawnAgent } from '../../../support/agent/program.ts';
import { entryFor, serialOf, signedRoot, stageLineage, stageSigner } from '../../../support/agent/publish.ts';
import { shardRoot } from '../../../support/agent/sharded.ts';
import { makeStage, type Stage, withoutTrust } from '../../../support/agent/stage.ts';
import { certificatesOf } from '../../../support/manifest.ts';

const newSigner = () => signerOf(generatePrivateKey());

/** The host has served `shop`; the bucket has a newer one that `signer` signs. */
async function replaced(stage: Stage, signer: Signer, changes: object = {}): Promise<string> {
  const { combined } = await stage.pki.issue({ names: ['shop.test'] });
  const [pem] = entryFor(combined, ['shop.test']).pems;
  await stage.bucket.put(layout.pem(fleet, certificateName.parse('shop'), pem?.sha256 ?? ''), combined);
  const certificates = certificatesOf({ shop: entryFor(combined, ['shop.test']) });
  await stage.putRoot(signedRoot({ ...(await stage.manifest()), certificates }, changes, signer));
  return combined;
}

async function served(t: TestContext, first: readonly string[] = []): Promise<{ stage: Stage; pem: string }> {
  const stage = await makeStage(t, { version: '3.2' });
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass([...first]));
  return { stage, pem };
}

const serial = async (stage: Stage) => (await stage.handshake('shop.test')).serial;
const conditions = async (stage: Stage) =>
  (await stage.status()).conditions?.map(({ condition }) => condition);
const statement = (signer: Signer, key: PublicKey, number: number, more: object = {}) =>
  signKeyStatement(signer, { lineage: stageLineage, number, key, at: new Date().toISOString(), ...more });
const putKeys = (stage: Stage, ...statements: string[]) =>
  stage.bucket.put(layout.keys(fleet), serializeKeys(statements));

async function unpinned(stage: Stage, words: string[] = []) {
  const agent = await agentHere([...withoutTrust(stage.flags), ...words], () => undefined);
  const pass = () => syncHost(agent);
  return { agent, pass };
}

test('another key, another lineage, an old copy: kept, served, and named; the next right one is taken', async (t) => {
  const { stage, pem } = await served(t);
  const old = readFileSync(join(stage.bucketDir, layout.root(fleet)), 'utf8');
  assert.equal(await conditions(stage), undefined);
  assert.deepEqual((await stage.status()).trust, { key: stageSigner.key, isConfirmed: true });
  const rows: [condition: string, spoil: () => Promise<unknown>][] = [
    ['unknown-key', () => replaced(stage, newSigner())],
    ['other-lineage', () => replaced(stage, newSigner(), { lineage: 'theirs' })],
    ['other-lineage', () => replaced(stage, stageSigner, { lineage: 'theirs' })],
    ['stale-manifest', () => replaced(stage, stageSigner, { sequence: 1 })],
  ];
  for (const [condition, spoil] of rows) {
    await spoil();

    const result = await stage.pass();

    assert.equal(result.code, 1, result.stderr);
    assert.match(
      result.stderr,
      new RegExp(`event=manifest.failed code=ERR_MANIFEST_REFUSED message="${condition}: `),
    );
    assert.match(result.stderr, new RegExp(`event=host.condition condition=${condition} `));
    assert.deepEqual(await conditions(stage), [condition]);
    assert.equal((await stage.status()).error?.code, 'ERR_MANIFEST_REFUSED');
    assert.equal(await serial(stage), serialOf(pem));
    assert.deepEqual(stage.files(), ['shop.pem']);
  }

  await stage.putRoot(old);
  assertOk(await stage.pass());
  const next = await replaced(stage, stageSigner);
  assertOk(await stage.pass());
  assert.equal(await conditions(stage), undefined);
  assert.equal(await serial(stage), serialOf(next));
  await stage.putRoot(old);
  assert.equal((await stage.pass()).code, 1);
  assert.deepEqual(await conditions(stage), ['stale-manifest']);
  assert.equal(await serial(stage), serialOf(next), 'yesterday is not served again');
});

test('a rotation and a recovery are followed without a hand; a retired key is refused, also by a host from an old image', async (t) => {
  const { stage } = await served(t);
  const [second, recovery, third] = [newSigner(), newSigner(), newSigner()];
  const own = statement(stageSigner, stageSigner.key, 1, { recoveryKey: recovery.key });
  await putKeys(stage, own, statement(stageSigner, second.key, 2));

  const rotated = await replaced(stage, second);
  assertOk(await stage.pass());
  assert.equal(await serial(stage), serialOf(rotated));
  assert.deepEqual((await stage.status()).trust, { key: second.key, isConfirmed: true });

  await putKeys(stage, own, statement(stageSigner, second.key, 2), statement(recovery, third.key, 3));
  const recovered = await replaced(stage, third);
  assertOk(await stage.pass());
  assert.equal(await serial(stage), serialOf(recovered));

  await replaced(stage, second);
  assert.equal((await stage.pass()).code, 1);
  assert.equal(await serial(stage), serialOf(recovered));

  // An image with the first key, and no state.
  const image = ['--state-dir', join(stage.dir, 'image')];
  for (const name of [OWNERSHIP_FILE, 'shop.pem']) rmSync(join(stage.haproxy.certsDir, name));
  assert.equal((await stage.pass(image)).code, 1);
  const next = await replaced(stage, third);
  assertOk(await stage.pass(image));
  assert.equal(await serial(stage), serialOf(next));
});

test('first contact: taken and told, until the operator confirms it; the word survives the loss of either memory', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const { agent, pass } = await unpinned(stage);

  assert.equal((await pass()).error, undefined);
  assert.deepEqual(await conditions(stage), ['key-unverified']);
  const { since } = (await stage.status()).conditions?.[0] ?? {};
  await stage.publish('new', { names: ['new.test'] });
  await pass();
  assert.equal((await stage.status()).conditions?.[0]?.since, since, 'since when it is so');

  const { findings } = await examineBucket(agent);
  assert.deepEqual(
    findings.map(({ id, severity }) => [id, severity]),
    [['key-unverified', 'warning']],
  );
  const wrong = await showTrust(agent, { kind: 'confirm', key: newSigner().key });
  assert.deepEqual([wrong[0]?.result, exitStatusOfTrust(wrong)], ['refused', 1]);
  assert.equal(exitStatusOfTrust(await showTrust(agent, undefined)), 3);
  const confirmed = await showTrust(agent, { kind: 'confirm', key: stageSigner.key });
  assert.deepEqual([confirmed[0]?.result, exitStatusOfTrust(confirmed)], ['changed', 0]);
  const again = await showTrust(agent, { kind: 'confirm', key: stageSigner.key });
  assert.equal(again[0]?.result, 'unchanged');
  await pass();
  assert.equal(await conditions(stage), undefined);

  rmSync(stage.stateDir, { recursive: true });
  await pass();
  assert.deepEqual((await stage.status()).trust, { key: stageSigner.key, isConfirmed: true });
  rmSync(join(stage.haproxy.certsDir, OWNERSHIP_FILE));
  await pass();
  assert.deepEqual((await stage.status()).trust, { key: stageSigner.key, isConfirmed: true });
  // The lost state knew the sequence; its copy, or the receipts, know it still.
  rmSync(stage.stateDir, { recursive: true });
  await replaced(stage, stageSigner, { sequence: 1 });
  await pass();
  assert.deepEqual(await conditions(stage), ['stale-manifest']);
});

test('the program that confirms the key makes the pass that reports it, and says so', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const args = withoutTrust(stage.flags);
  assert.equal((await spawnAgent(['sync', ...args])).code, 0);
  assert.deepEqual(await conditions(stage), ['key-unverified']);

  const confirmed = await spawnAgent(['trust', ...args, '--confirm', stageSigner.key]);

  assert.equal(confirmed.code, 0, confirmed.stderr);
  assert.match(confirmed.stdout, /^changed: this host trusts the key by your word; a pass follows and/m);
  assert.equal(await conditions(stage), undefined);
  const again = await spawnAgent(['trust', ...args, '--confirm', stageSigner.key]);
  assert.match(again.stdout, /^unchanged: this host had your word before/m);
});

test('another issuer is taken at the operator’s word alone, by the program, and then at once', async (t) => {
  const { stage } = await served(t);
  const other = newSigner();
  const theirs = await replaced(stage, other, { lineage: 'theirs' });
  const args = withoutTrust(stage.flags);
  const trust = async (...words: string[]) => spawnAgent(['trust', ...args, ...words]);

  const pinned = await stage.agent('trust', { args: ['--accept', other.key] });
  assert.equal(pinned.code, 1);
  assert.match(pinned.stdout, /refused: trust\.key in the agent's file says/);
  const typo = await trust('--accept', newSigner().key);
  assert.deepEqual(
    [typo.code, /refused: root\.json is signed by key/.test(typo.stdout)],
    [1, true],
    typo.stdout,
  );

  const accepted = await trust('--accept', other.key, '--json');

  assert.equal(accepted.code, 0, accepted.stderr + accepted.stdout);
  const { changed, trust: records } = JSON.parse(accepted.stdout);
  assert.deepEqual([changed, records[0].key, records[0].lineage], [true, other.key, 'theirs']);
  assert.equal(await serial(stage), serialOf(theirs));
  assert.match((await trust()).stdout, /^key {11}\S{43} \(confirmed\)$/m);
  for (const words of [['--accept', 'x'], ['--accept', other.key, '--confirm', other.key], ['word']]) {
    assert.equal((await trust(...words)).code, 64, words.join());
  }
});

test('a fleet with shards: another issuer is taken at the operator’s word', async (t) => {
  const { stage } = await served(t);
  const other = newSigner();
  await shardRoot(stage, undefined, { signer: other, lineage: 'theirs' });
  const { agent } = await unpinned(stage);

  const [accepted] = await showTrust(agent, { kind: 'accept', key: other.key });

  const { result, message, trust, error } = accepted ?? {};
  assert.deepEqual([result, message, error], ['changed', undefined, undefined]);
  assert.deepEqual([trust?.trusted.key, trust?.trusted.lineage], [other.key, 'theirs']);
});

test('version 1 is taken until there is version 2, and after that only until a date', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const v1 = (await stage.pki.issue({ names: ['shop.test'] })).combined;
  const put1 = async (pem: string, updatedAt = new Date()) => {
    const [ref] = entryFor(pem, ['shop.test']).pems;
    await stage.bucket.put(layout.pem(fleet, certificateName.parse('shop'), ref?.sha256 ?? ''), pem);
    const certificates = certificatesOf({ shop: entryFor(pem, ['shop.test']) });
    await stage.putManifest(serializeManifest({ ...emptyManifest(fleet, updatedAt), certificates }));
  };
  await put1(v1);
  const { pass } = await unpinned(stage);
  assert.equal((await pass()).error, undefined);
  assert.deepEqual(await conditions(stage), ['unsigned-manifest']);
  assert.equal((await stage.status()).contract, 2);
  assert.equal((await stage.pass()).code, 1, 'a host with a key takes none');

  const v2 = await replaced(stage, stageSigner);
  await pass();
  assert.equal(await serial(stage), serialOf(v2));
  // A rollback of the issuer: root.json stays as it is, or is gone.
  await put1(v1, new Date(Date.now() + 1000));
  await pass();
  assert.equal(await serial(stage), serialOf(v2));
  await stage.bucket.delete(layout.root(fleet));
  assert.equal((await pass()).error?.code, 'ERR_MANIFEST_MISSING');
  assert.equal(await serial(stage), serialOf(v2));

  const until = await unpinned(stage, ['--version1-until', '9999-01-01']);
  assert.equal((await until.pass()).error, undefined);
  assert.equal(await serial(stage), serialOf(v1));
  const back = await replaced(stage, stageSigner, { updatedAt: new Date(Date.now() + 2000).toISOString() });
  await until.pass();
  assert.equal(await serial(stage), serialOf(back), 'the newer one');
  await put1(v1, new Date(Date.now() + 5000));
  await until.pass();
  assert.equal(await serial(stage), serialOf(v1));
  const over = await unpinned(stage, ['--version1-until', '2026-01-01']);
  await over.pass();
  assert.equal(await serial(stage), serialOf(back), 'the date is over');
});

test('whatever stands in the place of root.json or keys.json: a coded error, what is served stays', async (t) => {
  const { stage, pem } = await served(t);
  const good = await stage.manifest();
  const [root, keys] = [layout.root(fleet), layout.keys(fleet)].map((key) => join(stage.bucketDir, key)) as [
    string,
    string,
  ];
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  const signed = signedRoot(good);
  const instead = (path: string, plant: () => void) => () => {
    rmSync(path, { recursive: true, force: true });
    plant();
  };
  const rows: [says: string, code: string, plant: () => unknown][] = [
    ['giant', 'ERR_BUCKET_SIZE', instead(root, () => giant(root))],
    ['empty', 'ERR_MANIFEST_SIGNATURE', instead(root, () => writeFileSync(root, ''))],
    ['deep', 'ERR_MANIFEST_SIGNATURE', instead(root, () => writeFileSync(root, deep))],
    [
      'deep, with a true head',
      'ERR_MANIFEST_SIGNATURE',
      instead(root, () => writeFileSync(root, signed.replace('{', `{"x":${deep},`))),
    ],
    [
      'a member before the head',
      'ERR_MANIFEST_SIGNATURE',
      instead(root, () => writeFileSync(root, signed.replace('"requires": []', '"requires": [ ]'))),
    ],
    ['cut', 'ERR_MANIFEST_SIGNATURE', instead(root, () => writeFileSync(root, signed.slice(0, -9)))],
    ['a FIFO', 'ERR_BUCKET_IO', instead(root, () => fifo(root))],
    ['a directory', 'ERR_MANIFEST_MISSING', instead(root, () => mkdirSync(root))],
    [
      'another fleet’s',
      'ERR_MANIFEST_SCHEMA',
      instead(root, () => writeFileSync(root, signedRoot(good, { fleet: 'web' as never }))),
    ],
    [
      'version 1',
      'ERR_MANIFEST_SIGNATURE',
      instead(root, () => renameSync(join(stage.bucketDir, layout.manifest(fleet)), root)),
    ],
    [
      'a later version',
      'ERR_MANIFEST_VERSION',
      instead(root, () => writeFileSync(root, signedRoot(good, { version: 3 as 2 }))),
    ],
    [
      'a requirement',
      'ERR_MANIFEST_REQUIRES',
      instead(root, () => writeFileSync(root, signedRoot(good, { requires: ['wings'] }))),
    ],
  ];
  for (const [says, code, plant] of rows) {
    plant();

    const result = await stage.pass();

    assert.equal(result.code, 1, `${says}: ${result.stderr}`);
    assert.equal((await stage.status()).error?.code, code, says);
    assert.equal(await serial(stage), serialOf(pem), says);
    assert.deepEqual(stage.files(), ['shop.pem'], says);
  }

  const second = newSigner();
  const keyRows: [says: string, plant: () => void][] = [
    ['missing', () => undefined],
    ['giant', () => giant(keys)],
    ['deep', () => writeFileSync(keys, deep)],
    ['a FIFO', () => fifo(keys)],
    ['a directory', () => mkdirSync(keys)],
    ['a stranger’s', () => writeFileSync(keys, serializeKeys([statement(newSigner(), second.key, 1)]))],
    [
      'another lineage’s',
      () =>
        writeFileSync(keys, serializeKeys([statement(stageSigner, second.key, 1, { lineage: 'theirs' })])),
    ],
  ];
  rmSync(root, { recursive: true, force: true });
  await stage.putBoth(good);
  const next = await replaced(stage, second);
  for (const [says, plant] of keyRows) {
    instead(keys, plant)();

    const result = await stage.pass();

    assert.equal(result.code, 1, `${says}: ${result.stderr}`);
    assert.deepEqual(await conditions(stage), ['unknown-key'], says);
    assert.equal(await serial(stage), serialOf(pem), says);
  }
  rmSync(keys);
  // One broken statement takes nothing from the others.
  await putKeys(stage, statement(newSigner(), second.key, 1), statement(stageSigner, second.key, 2));
  assertOk(await stage.pass());
  assert.equal(await serial(stage), serialOf(next));
  assert.ok(readdirSync(stage.stateDir).includes('trust.json'));
});

function giant(path: string): void {
  writeFileSync(path, '');
  truncateSync(path, 1_500_000_000);
}

function fifo(path: string): void {
  const { status } = spawnSync('mkfifo', [path]);
  assert.equal(status, 0);
}
