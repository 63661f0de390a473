// What a host does when the issuer stops, the bucket moves, its fleet gets another name, or what it knew is lost.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { fleetName, layout } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import { generatePrivateKey, signerOf } from '#contract/statement.ts';
import { openBucket } from '#storage/open.ts';
import { exitStatusOf, exitStatusOfStatus } from '../../../../agent/cli/exit-status.ts';
import { examineBucket } from '../../../../agent/doctor/bucket.ts';
import { syncHost } from '../../../../agent/pass/instances.ts';
import { firstBoot } from '../../../../agent/resident/first-boot.ts';
import { OWNERSHIP_FILE } from '../../../../agent/state/ownership.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { agentHere } from '../../../support/agent/program.ts';
import { publisher, serialOf, signedRoot, stageSigner } from '../../../support/agent/publish.ts';
import { makeStage, type Stage, withoutTrust } from '../../../support/agent/stage.ts';
import { interposed } from '../../../support/bucket/interposed.ts';

const silent = () => undefined;
const conditions = async (stage: Stage) =>
  (await stage.status()).conditions?.map(({ condition }) => condition);
const serial = async (stage: Stage, name = 'shop.test') => (await stage.handshake(name)).serial;

/** Signs what is published again, so long ago. */
async function signAgain(stage: Stage, agoMs: number, changes: Partial<Manifest> = {}): Promise<void> {
  const signedAt = new Date(Date.now() - agoMs).toISOString();
  await stage.putRoot(signedRoot({ ...(await stage.manifest()), ...changes }, { signedAt }));
}

test('the issuer has stopped: told by the store’s clock after a day; what comes late is installed all the same', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  await signAgain(stage, 0);
  let storeAheadMs = 0;
  let hostAheadMs = 0;
  const bucket = interposed(stage.bucket, {
    get answeredAt() {
      return new Date(Date.now() + storeAheadMs);
    },
  });
  const now = () => new Date(Date.now() + hostAheadMs);
  const agent = await agentHere(stage.flags, silent, { openBucket: async () => bucket, now });
  const pass = () => syncHost(agent);

  hostAheadMs = 2 * DAY_MS;
  assert.equal((await pass()).error, undefined);
  assert.deepEqual(
    await conditions(stage),
    ['clock-off'],
    'the clock of this host says nothing of the manifest',
  );
  hostAheadMs = 0;
  storeAheadMs = 23 * HOUR_MS;
  await pass();
  assert.deepEqual(await conditions(stage), ['clock-off']);

  storeAheadMs = 25 * HOUR_MS;
  const frozen = await pass();
  assert.deepEqual(
    [frozen.error, exitStatusOf(frozen), exitStatusOfStatus(frozen.status)],
    [undefined, 0, 3],
  );
  assert.deepEqual(await conditions(stage), ['frozen-manifest', 'clock-off']);
  const late = await stage.pki.issue({ names: ['late.test'] });
  const next = await stage.publish('late', { names: ['late.test'] });
  await signAgain(stage, 2 * HOUR_MS);
  assert.equal((await pass()).error, undefined);
  assert.deepEqual(await conditions(stage), ['frozen-manifest', 'clock-off']);
  assert.equal(await serial(stage, 'late.test'), serialOf(next));
  assert.notEqual(serialOf(late.combined), serialOf(next));

  storeAheadMs = 0;
  assert.equal((await pass()).status.conditions, undefined, 'what was true is not true now');
});

test('a host boots with a manifest that nobody has signed for a year', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  await signAgain(stage, 365 * DAY_MS);
  const agent = await agentHere(stage.flags, silent);

  const boot = await firstBoot(agent, { waitMs: 5000, sleep: async () => undefined, passOptions: {} });

  assert.equal(boot.exitStatus, 0);
  assert.deepEqual(await conditions(stage), ['frozen-manifest']);
  assert.equal(stage.pem('shop'), pem);
});

test('a host that boots without anything of its own waits for a manifest that it may take', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  await stage.putRoot(signedRoot(await stage.manifest(), {}, signerOf(generatePrivateKey())));
  const said: string[] = [];
  const agent = await agentHere(stage.flags, (event, { code } = {}) => void said.push(`${event} ${code}`));
  const right = signedRoot(await stage.manifest());

  const boot = await firstBoot(agent, { waitMs: 60_000, sleep: () => stage.putRoot(right), passOptions: {} });

  assert.equal(boot.exitStatus, 0);
  assert.ok(said.includes('boot.waiting ERR_MANIFEST_REFUSED'), said.join('\n'));
  assert.deepEqual(stage.files(), ['shop.pem']);
});

test('a bucket that moved: a copy is followed, also one that has gone on; another issuer needs a word', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  const copyTo = async (name: string) => {
    const bucket = await openBucket(`file://${join(stage.dir, name)}`);
    for (const key of await stage.bucket.list('published/')) {
      const object = await stage.bucket.get(key);
      if (object !== undefined) await bucket.put(key, object.body);
    }
    return { url: bucket.url, ...publisher(bucket, stage.pki) };
  };
  const copy = await copyTo('copy');
  const older = await copyTo('older');

  assertOk(await stage.pass(['--bucket', copy.url]));
  const next = await copy.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass(['--bucket', copy.url]));
  assert.equal(await serial(stage), serialOf(next));

  assert.equal((await stage.pass(['--bucket', older.url])).code, 1);
  const local = await agentHere([...stage.flags, '--bucket', older.url], silent);
  const { status } = await syncHost(local);
  assert.deepEqual(
    status.conditions?.map(({ condition }) => condition),
    ['stale-manifest'],
  );
  assert.equal(await serial(stage), serialOf(next));

  const other = publisher(await openBucket(`file://${join(stage.dir, 'other')}`), stage.pki);
  await other.publish('shop', { names: ['shop.test'] });
  const theirs = signedRoot(await other.manifest(), { lineage: 'theirs' }, signerOf(generatePrivateKey()));
  await other.putRoot(theirs);
  const stranger = await agentHere(
    [...stage.flags, '--bucket', `file://${join(stage.dir, 'other')}`],
    silent,
  );
  const refused = await syncHost(stranger);
  assert.deepEqual(
    refused.status.conditions?.map(({ condition }) => condition),
    ['other-lineage'],
  );
  assert.equal(await serial(stage), serialOf(next));
});

test('a fleet that gets another name in agent.yaml: its manifest is taken by the same trust, also without the state', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const flags = withoutTrust(stage.flags);
  const pass = async (...words: string[]) => syncHost(await agentHere([...flags, ...words], silent));
  assert.equal((await pass()).error, undefined);
  const web = fleetName.parse('web');
  const manifest = await stage.manifest();
  const rename = async (signer = stageSigner) => {
    const root = signedRoot({ ...manifest, fleet: web }, { fleet: web, sequence: 1 }, signer);
    await stage.bucket.put(layout.root(web), root);
  };
  for (const key of await stage.bucket.list('published/edge/pem/')) {
    const object = await stage.bucket.get(key);
    if (object !== undefined) await stage.bucket.put(key.replace('/edge/', '/web/'), object.body);
  }

  await rename(signerOf(generatePrivateKey()));
  const refused = await pass('--fleet', 'web');
  assert.equal(refused.error?.code, 'ERR_MANIFEST_REFUSED', 'a new name is no first contact');
  rmSync(stage.stateDir, { recursive: true });
  assert.equal((await pass('--fleet', 'web')).error?.code, 'ERR_MANIFEST_REFUSED', 'nor a lost state');
  await rename();
  // Another fleet has its own sequence.
  const renamed = await pass('--fleet', 'web');
  assert.equal(renamed.error, undefined);
  assert.equal(await serial(stage), serialOf(stage.pem('shop')));
});

test('what a host knew of an issuer is lost, all of it: first contact again, and what is served stays', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  const flags = withoutTrust(stage.flags);
  const pass = async () => syncHost(await agentHere(flags, silent));
  await pass();

  rmSync(join(stage.stateDir, 'trust.json'));
  rmSync(join(stage.haproxy.certsDir, OWNERSHIP_FILE));
  await stage.putRoot(signedRoot(await stage.manifest(), {}, signerOf(generatePrivateKey())));
  await pass();
  assert.deepEqual(
    await conditions(stage),
    ['unknown-key', 'key-unverified'],
    'the last good manifest knows the key',
  );

  rmSync(stage.stateDir, { recursive: true });
  rmSync(join(stage.haproxy.certsDir, OWNERSHIP_FILE));
  await pass();
  assert.deepEqual(await conditions(stage), ['key-unverified']);
  assert.equal(await serial(stage), serialOf(pem));
});

test('the state is lost: an older root of the same PEMs stays refused, in each pass', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  const older = (await stage.bucket.get(layout.root(fleetName.parse('edge'))))?.body.toString() ?? '';
  await signAgain(stage, 0);
  assertOk(await stage.pass());
  await stage.putRoot(older);
  rmSync(stage.stateDir, { recursive: true });

  const first = await stage.pass();
  const second = await stage.pass();

  assert.deepEqual([first.code, second.code], [1, 1], second.stderr);
  assert.deepEqual(await conditions(stage), ['stale-manifest']);
});

test('doctor says what a pass says, when the last good manifest is all that is left of what the host knew', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  const older = (await stage.bucket.get(layout.root(fleetName.parse('edge'))))?.body.toString() ?? '';
  await signAgain(stage, 0);
  assertOk(await stage.pass());
  await stage.putRoot(older);
  rmSync(join(stage.stateDir, 'trust.json'));
  rmSync(join(stage.haproxy.certsDir, OWNERSHIP_FILE));

  const { findings } = await examineBucket(await agentHere(stage.flags, silent));

  assert.deepEqual(
    findings.map(({ id }) => id),
    ['stale-manifest'],
  );
});

test('the files of a running agent are all deleted: what it has in its memory counts', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  await stage.publish('gone', { names: ['gone.test'] });
  const agent = await agentHere(withoutTrust(stage.flags), silent);
  await syncHost(agent);
  const first = await stage.manifest();
  const older = (await stage.bucket.get(layout.root(fleetName.parse('edge'))))?.body.toString() ?? '';
  await stage.withdraw('gone');
  await syncHost(agent);
  assert.deepEqual(stage.files(), ['shop.pem']);
  const lose = () => {
    rmSync(stage.stateDir, { recursive: true });
    rmSync(join(stage.haproxy.certsDir, OWNERSHIP_FILE));
  };

  lose();
  await stage.putRoot(older);
  await syncHost(agent);
  assert.deepEqual(await conditions(stage), ['stale-manifest', 'key-unverified']);

  lose();
  await stage.putRoot(signedRoot(first, {}, signerOf(generatePrivateKey())));
  await syncHost(agent);
  assert.deepEqual(await conditions(stage), ['unknown-key', 'key-unverified']);

  lose();
  await stage.putRoot(signedRoot(first));
  assert.equal((await syncHost(agent)).error, undefined);
  assert.deepEqual(stage.files(), ['shop.pem'], 'what was withdrawn does not come back');
});
