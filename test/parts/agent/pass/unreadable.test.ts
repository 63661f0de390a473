// What cannot be read is not lost: nothing is installed or removed by half a memory, and nothing is written over the other half.
import assert from 'node:assert/strict';
import { existsSync, lstatSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { generatePrivateKey, signerOf } from '#contract/statement.ts';
import { OWNERSHIP_FILE } from '../../../../agent/state/ownership.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { host } from '../../../support/agent/host.ts';
import { entryFor, serialOf, signedRoot } from '../../../support/agent/publish.ts';
import { makeStage, type Stage, withoutTrust } from '../../../support/agent/stage.ts';

/** Root may read everything: a link to itself is what nobody can read (ELOOP), and what a rename would replace. */
function hide(path: string): () => void {
  renameSync(path, `${path}.away`);
  symlinkSync(path, path);
  return () => {
    assert.ok(lstatSync(path).isSymbolicLink(), `${path} was overwritten`);
    rmSync(path);
    renameSync(`${path}.away`, path);
  };
}

const placesOf = ({ stateDir, haproxy }: Stage) => ({
  state: join(stateDir, 'state.json'),
  trust: join(stateDir, 'trust.json'),
  ownership: join(haproxy.certsDir, OWNERSHIP_FILE),
});

test('neither memory can be read: what was withdrawn does not come back, nothing is installed, and the host says why', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  await stage.publish('gone', { names: ['gone.test'] });
  assertOk(await stage.pass());
  const before = await stage.manifest();
  await stage.withdraw('gone');
  assertOk(await stage.pass());
  const { state, ownership } = placesOf(stage);
  await stage.putRoot(signedRoot(before, { tombstones: {} }));
  const restore = [hide(state), hide(ownership)];

  const held = await stage.pass();

  assert.equal(held.code, 3, held.stderr);
  assert.deepEqual(existsSync(join(stage.haproxy.certsDir, 'gone.pem')), false);
  const { error, files } = await stage.status();
  assert.equal(error?.code, 'ERR_STATE_DIRECTORY');
  assert.match(error?.message ?? '', /state\.json cannot be read \(ELOOP: /);
  assert.equal(files.find(({ file }) => file === 'shop.pem')?.state, 'served');

  for (const back of restore) back();
  await stage.pass();
  assert.deepEqual(existsSync(join(stage.haproxy.certsDir, 'gone.pem')), false);
  assert.equal((await stage.status()).error, undefined);
});

test('one of the two can be read: the agent goes on by that one, tells, and writes nothing over the other', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  for (const which of ['state', 'trust', 'ownership'] as const) {
    const restore = hide(placesOf(stage)[which]);
    const renewed = await stage.publish('shop', { names: ['shop.test'] });

    const { stderr } = await stage.pass();

    assert.equal((await stage.handshake('shop.test')).serial, serialOf(renewed), `${which}: ${stderr}`);
    assert.match((await stage.status()).error?.message ?? '', /cannot be read \(ELOOP: /, which);
    restore();
    assertOk(await stage.pass());
    assert.equal((await stage.status()).error, undefined);
  }
});

test('whom the host trusts cannot be read: that is no first contact', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const flags = withoutTrust(stage.flags);
  await stage.publish('shop', { names: ['shop.test'] });
  const pass = () => stage.agent('sync');
  stage.flags.splice(0, stage.flags.length, ...flags);
  assertOk(await pass());
  const { trust, ownership } = placesOf(stage);
  const restore = [hide(trust), hide(ownership)];
  rmSync(join(stage.stateDir, 'manifest.json'));
  await stage.putRoot(signedRoot(await stage.manifest(), {}, signerOf(generatePrivateKey())));

  await pass();

  const { error, trust: told } = await stage.status();
  assert.deepEqual([error?.code, told], ['ERR_STATE_DIRECTORY', undefined]);
  for (const back of restore) back();
  await pass();
  assert.ok((await stage.status()).conditions?.some(({ condition }) => condition === 'unknown-key'));
});

test('agent.yaml names another fleet and the state is lost: the files are still this agent’s, and not another’s', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  await stage.publish('extra', { names: ['extra.test'] });
  assertOk(await stage.pass());
  const { bucket, manifest } = stage;
  const web = 'web' as Awaited<ReturnType<typeof manifest>>['fleet'];
  const { combined } = await stage.pki.issue({ names: ['shop.test'] });
  await stage.publishBytes('shop', combined, entryFor(combined, ['shop.test']));
  const { extra: _, ...certificates } = (await manifest()).certificates as Record<string, never>;
  await bucket.put(
    layout.root(web),
    signedRoot({ ...(await manifest()), certificates, fleet: web }, { fleet: web }),
  );
  for (const key of await bucket.list('published/edge/pem/')) {
    const object = await bucket.get(key);
    if (object !== undefined) await bucket.put(key.replace('/edge/', '/web/'), object.body);
  }
  rmSync(stage.stateDir, { recursive: true });

  assertOk(await stage.pass(['--fleet', web]));

  assert.equal((await stage.handshake('shop.test')).serial, serialOf(combined));
  const { body } = (await bucket.get(layout.status(web, host))) ?? {};
  const { files } = JSON.parse(body?.toString() ?? '') as { files: { file: string; isUnlisted?: true }[] };
  assert.deepEqual(
    files.map(({ file, isUnlisted }) => [file, isUnlisted]),
    [
      ['extra.pem', true],
      ['shop.pem', undefined],
    ],
  );

  await stage.publish('shop', { names: ['shop.test'] });
  const other = ['--fleet', 'edge', '--state-dir', join(stage.dir, 'other')];
  const stranger = await stage.pass(other);
  assert.match(
    stranger.stderr,
    /ERR_INSTALL_NOT_OURS/,
    'an agent with another state directory is another one',
  );
});
