// The issuer's key through all that happens to it, with real programs: the issuer against Pebble, a host with its agent and HAProxy.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { digest } from '#contract/combined-pem.ts';
import { signKeyStatement } from '#contract/key-chain.ts';
import { certificateName, fleetName, layout } from '#contract/layout.ts';
import { serializeRoot } from '#contract/root.ts';
import { generatePrivateKey, signerOf } from '#contract/statement.ts';
import { entryFor, serialOf } from '../../support/agent/publish.ts';
import { handshake } from '../../support/handshake.ts';
import { parseRoot } from '../../support/parse-root.ts';
import { createPki } from '../../support/parts/pki.ts';
import { placesOf, startScene } from '../../support/proof/scene.ts';
import { startWatch } from '../../support/proof/watch.ts';

const fleet = fleetName.parse('edge');
const certificates = [{ name: 'shop', identifiers: ['shop.test'], fleets: [fleet] }];
const scene = await startScene({ version: '3.2', fleets: [fleet], certificates });
after(scene.stop);
const { dir, issuer } = scene;
const [host] = scene.hosts as [(typeof scene.hosts)[0]];
const recoveryFile = join(dir, 'recovery.json');
const inBucket = (path: string) => join(issuer.bucketDir, path);
const keyFile = inBucket('issuer/signing-key.json');
const rootFile = inBucket(`published/${fleet}/root.json`);

/** `pemfleet key …`, which must not show a private key, and end well. */
async function key(...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await issuer.command(['key', ...words]);
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stdout + stderr, /PRIVATE/);
  return stdout;
}

const todaysKey = () => signerOf(JSON.parse(readFileSync(keyFile, 'utf8')).privateKey).key;

/** A pass of both sides: nothing is ordered, the host takes what is signed now, and trusts today's key. */
async function assertFollowed(): Promise<void> {
  const { outcomes, error } = await issuer.pass();
  assert.deepEqual([outcomes.map(({ result }) => result), error], [['kept'], undefined]);
  const { code, stderr } = await host.pass();
  assert.equal(code, 0, stderr);
  const { trust, conditions = [], files } = await host.status();
  assert.equal(trust?.key, todaysKey());
  assert.deepEqual(
    conditions.filter(({ condition }) => condition !== 'key-unverified'),
    [],
  );
  assert.deepEqual(
    files.map(({ state }) => state),
    ['served'],
  );
}

/** Nothing is signed, and the host goes on as before. */
async function assertStopped(): Promise<void> {
  const root = readFileSync(rootFile);
  await assert.rejects(issuer.pass(), { code: 'ERR_SIGNING_KEY_LOST' });
  assert.deepEqual(readFileSync(rootFile), root);
  assert.equal((await host.pass()).code, 0, host.logs.at(-1));
}

const isMode = (path: string, mode: number) => assert.equal(statSync(path).mode & 0o777, mode, path);

test('the key is the issuer’s alone, and the recovery key is in its file alone', async () => {
  await issuer.pass();
  await host.pass();
  const shown = await key('recovery-key', '--out', recoveryFile);

  isMode(recoveryFile, 0o600);
  isMode(keyFile, 0o600);
  isMode(inBucket('issuer'), 0o700);
  const { privateKey } = JSON.parse(readFileSync(recoveryFile, 'utf8'));
  assert.match(shown, new RegExp(`recovery key {2}${signerOf(privateKey).key}`));
  assert.ok(!readFileSync(keyFile, 'utf8').includes(JSON.stringify(privateKey).slice(40, 80)));
  await assertFollowed();
  const { trusted } = JSON.parse(readFileSync(join(host.stateDir, 'trust.json'), 'utf8'));
  assert.equal(
    trusted.recoveryKey,
    signerOf(privateKey).key,
    'known with the next pass, without a new certificate',
  );
});

test('two rotations while the host slept: it finds the key of today', async () => {
  await key('rotate');
  await issuer.pass();
  await key('rotate');

  await assertFollowed();
});

test('a dry run changes nothing', async () => {
  const before = readFileSync(keyFile);

  await key('new', '--dry-run');
  await key('recover', '--recovery-key', recoveryFile, '--dry-run');

  assert.deepEqual(readFileSync(keyFile), before);
});

test('issuer/ is lost: nothing is signed, visitors are served, and the recovery key leads on without an order', async (t) => {
  const visits = startWatch(t, () => placesOf(scene, certificates), issuer.issued);
  rmSync(inBucket('issuer'), { recursive: true });
  await assertStopped();
  const { status, stderr } = await issuer.command(['key', 'show']);

  await key('recover', '--recovery-key', recoveryFile);

  await assertFollowed();
  const { wrong, missing } = await visits();
  assert.deepEqual([wrong, missing], [[], []]);
  assert.equal(status, 1);
  assert.match(stderr, /ERR_SIGNING_KEY_LOST .*pemfleet key recover --recovery-key FILE/);
});

test('issuer/ of before a rotation is back: its key is a retired one, and signs nothing until it is recovered', async () => {
  cpSync(inBucket('issuer'), join(dir, 'yesterday'), { recursive: true });
  await key('rotate');
  await assertFollowed();
  rmSync(inBucket('issuer'), { recursive: true });
  cpSync(join(dir, 'yesterday'), inBucket('issuer'), { recursive: true });
  await assertStopped();

  await key('recover', '--recovery-key', recoveryFile);

  await assertFollowed();
});

test('a rotation that is killed with -9: the next pass mends it, and the host follows', async () => {
  const preload = fileURLToPath(new URL('../../support/kill-after.mjs', import.meta.url));
  const options = (env: Record<string, string>) => ({
    env: { ...env, NODE_OPTIONS: `--import=${pathToFileURL(preload).href}` },
  });
  const counted = join(dir, 'calls');
  await issuer.command(['key', 'rotate'], options({ KILL_COUNT_FILE: counted }));
  const calls = readFileSync(counted, 'utf8').trim().split('\n');
  const written = calls.findIndex((call) => call.startsWith('rename') && call.includes('signing-key')) + 1;

  // unit/lambda/signing/killed.test.ts has each write of each command.
  for (const at of [written - 1, written]) {
    const before = todaysKey();
    const { signal } = await issuer.command(['key', 'rotate'], options({ KILL_AFTER: String(at) }));

    assert.equal(signal, 'SIGKILL');
    assert.equal(todaysKey() !== before, at === written);
    await assertFollowed();
  }
});

test('a thief of the key misleads the host; recovered, it follows the issuer, and the thief no more', async () => {
  const thief = signerOf(generatePrivateKey());
  const { privateKey, lineage } = JSON.parse(readFileSync(keyFile, 'utf8'));
  const at = new Date().toISOString();
  const [number, sequence] = [Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER - 1];
  const his = signKeyStatement(signerOf(privateKey), { lineage, number, key: thief.key, at });
  const { manifest } = parseRoot(fleet, readFileSync(rootFile));
  const name = certificateName.parse('shop');
  const { combined } = await (await createPki()).issue({ names: ['shop.test'] });
  const sha256 = digest(combined);
  const entry = { ...entryFor(combined, ['shop.test']), sequence };
  const ended = manifest.certificates[name]?.pems ?? assert.fail('nothing is published');
  const tombstone = { reason: 'withdrawn', at, pems: ended };
  const root = { ...manifest, sequence, certificates: { [name]: entry }, tombstones: { [name]: tombstone } };
  const visitor = () => handshake({ port: host.haproxy.httpsPort, servername: 'shop.test' });
  const mislead = () => {
    writeFileSync(inBucket(layout.keys(fleet)), JSON.stringify({ version: 1, statements: [his] }));
    writeFileSync(inBucket(layout.pem(fleet, name, sha256)), combined);
    writeFileSync(rootFile, serializeRoot(root, thief).text);
  };
  mislead();
  await host.pass();
  assert.equal((await host.status()).trust?.key, thief.key);
  assert.equal((await visitor()).serial, serialOf(combined));
  await assert.rejects(issuer.pass(), { code: 'ERR_SIGNING_KEY_LOST' });

  await key('recover', '--recovery-key', recoveryFile, '--stolen');

  await issuer.pass();
  await host.pass();
  const healed = await host.status();
  const trusted = healed.trust?.key;
  assert.equal(trusted, todaysKey());
  const recovered = parseRoot(fleet, readFileSync(rootFile));
  const serial = recovered.manifest.certificates[name]?.pems[0]?.serial;
  assert.equal(healed.head, recovered.head, 'the sequence of the thief is over');
  assert.equal((await visitor()).serial, serial, host.logs.at(-1));
  mislead();
  await host.pass();
  const { trust, conditions = [], files } = await host.status();
  assert.equal(trust?.key, trusted);
  assert.equal((await visitor()).serial, serial);
  assert.ok(conditions.some(({ condition }) => condition === 'unknown-key'));
  assert.deepEqual(
    files.map(({ state }) => state),
    ['served'],
  );
});
