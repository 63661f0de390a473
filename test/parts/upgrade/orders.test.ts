// Issuer and agents are upgraded in any order, and back: nobody is without a certificate, nothing is ordered that is not due.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { certificateOf, nextSecond, startUpgrade } from '../../support/upgrade.ts';

test('issuer first: it takes over what is published, and old agents get renewals until they are upgraded', async (t) => {
  const scene = await startUpgrade(t, { names: ['a', 'b'], hosts: 1 });
  const [host] = scene.hosts;
  assert.ok(host !== undefined);
  const before = scene.serialInVersion1('a');

  assert.deepEqual(await scene.newIssuer(), ['a: kept (fresh)', 'b: kept (fresh)']);
  assert.deepEqual([scene.serialInRoot('a'), scene.serialInVersion1('a')], [before, before]);
  await scene.oldAgent(host);
  assert.deepEqual(await scene.newIssuer({ force: true, only: scene.issuer.specNames('a') }), [
    'a: issued (forced)',
  ]);
  await scene.oldAgent(host);
  const status = await host.status();
  assert.deepEqual([status.contract, status.files[0]?.wanted.serial], [undefined, scene.serialInRoot('a')]);
  await host.pass();
  assert.deepEqual(await scene.newIssuer({ force: true, only: scene.issuer.specNames('b') }), [
    'b: issued (forced)',
  ]);
  await host.pass();

  const upgraded = await host.status();
  assert.deepEqual([upgraded.contract, upgraded.head], [2, scene.root().head]);
  assert.deepEqual(
    upgraded.files.map(({ state }) => state),
    ['served', 'served'],
  );
  await scene.assertNeverDark();
});

test('agents first: a new agent takes version 1, removes nothing on its word, and moves to roots when they come', async (t) => {
  const scene = await startUpgrade(t, { names: ['a', 'b'], hosts: 1 });
  const [host] = scene.hosts;
  assert.ok(host !== undefined);

  await host.pass();
  assert.deepEqual(await scene.oldIssuer('--force-renewal', '--only', 'a'), ['a: issued (forced)']);
  await host.pass();
  const onVersion1 = await host.status();
  assert.deepEqual(
    [onVersion1.contract, onVersion1.head, onVersion1.files[0]?.wanted.serial],
    [2, undefined, scene.serialInVersion1('a')],
  );
  assert.equal((await scene.oldIssuerStatus()).status, 0, 'the released issuer reads the status');
  assert.deepEqual(await scene.newIssuer(), ['a: kept (fresh)', 'b: kept (fresh)']);
  await host.pass();

  const onRoots = await host.status();
  assert.equal(onRoots.head, scene.root().head);
  assert.deepEqual(
    onRoots.files.map(({ state }) => state),
    ['served', 'served'],
  );
  await scene.assertNeverDark();
});

test('back and forth: an old issuer goes on with version 1, and what it published is merged, not ordered again', async (t) => {
  const scene = await startUpgrade(t, { names: ['a', 'b'], hosts: 2 });
  const [upgraded, old] = scene.hosts;
  assert.ok(upgraded !== undefined && old !== undefined);
  await scene.newIssuer();
  await upgraded.pass();
  await scene.oldAgent(old);

  await nextSecond();
  assert.deepEqual(await scene.oldIssuer(), ['a: kept (fresh)', 'b: kept (fresh)']);
  scene.issuer.configure(['a', 'b', 'c'].map(certificateOf));
  assert.deepEqual(await scene.oldIssuer('--force-renewal', '--only', 'a'), ['a: issued (forced)']);
  assert.deepEqual(await scene.oldIssuer(), ['a: kept (fresh)', 'b: kept (fresh)', 'c: issued (missing)']);
  await upgraded.pass();
  await scene.oldAgent(old);
  const [renewed, added] = ['a', 'c'].map(scene.serialInVersion1);
  assert.notEqual(scene.serialInRoot('a'), renewed);
  assert.deepEqual(await scene.newIssuer({ dryRun: true }), [
    'a: kept (fresh)',
    'b: kept (fresh)',
    'c: kept (fresh)',
  ]);
  assert.deepEqual(await scene.newIssuer(), ['a: kept (fresh)', 'b: kept (fresh)', 'c: kept (fresh)']);
  assert.deepEqual(['a', 'c'].map(scene.serialInRoot), [renewed, added]);
  await upgraded.pass();
  await scene.oldAgent(old);

  for (const host of scene.hosts) {
    const { files } = await host.status();
    assert.deepEqual(
      files.map(({ certificate, state, wanted: { serial } }) => [certificate, state, serial]),
      ['a', 'b', 'c'].map((name) => [name, 'served', scene.serialInRoot(name)]),
    );
  }
  await scene.assertNeverDark();
});

test("an agent that slept a month, and one from an old image, find today's key and certificates", async (t) => {
  const scene = await startUpgrade(t, { names: ['a', 'b'], hosts: 2 });
  const [sleeper, image] = scene.hosts;
  assert.ok(sleeper !== undefined && image !== undefined);
  await scene.newIssuer();
  await sleeper.pass();
  const { key: firstKey } = scene.root();
  for (const day of [10, 20, 30]) {
    scene.issuer.aheadMs = day * DAY_MS;
    await scene.rotateKey();
    await scene.newIssuer({ force: true, only: scene.issuer.specNames('a') });
  }
  image.configure({ trust: { key: firstKey } });
  for (const host of scene.hosts) host.aheadMs = 30 * DAY_MS;

  for (const host of scene.hosts) await host.pass();

  const { head, key } = scene.root();
  assert.notEqual(key, firstKey);
  for (const host of scene.hosts) {
    const status = await host.status();
    assert.deepEqual([status.head, status.trust?.key], [head, key]);
    assert.deepEqual(
      status.files.map(({ state, wanted: { serial } }) => [state, serial]),
      ['a', 'b'].map((name) => ['served', scene.serialInRoot(name)]),
    );
  }
  await scene.assertNeverDark();
});

test('an old agent that slept until version 1 was written no more gets it again, as soon as it has reported', async (t) => {
  const scene = await startUpgrade(t, { names: ['a'], hosts: 2 });
  const [upgraded, sleeper] = scene.hosts;
  assert.ok(upgraded !== undefined && sleeper !== undefined);
  const force = { force: true, only: scene.issuer.specNames('a') };
  await scene.newIssuer();
  await upgraded.pass();
  scene.issuer.configure(scene.issuer.certificates, { contract: { v1: 'off' } });
  await scene.newIssuer(force);
  const last = scene.serialInVersion1('a');
  assert.notEqual(last, scene.serialInRoot('a'));

  await scene.oldAgent(sleeper);
  assert.equal((await sleeper.status()).files[0]?.wanted.serial, last);
  scene.issuer.configure(scene.issuer.certificates);
  await scene.newIssuer();
  await scene.oldAgent(sleeper);

  assert.equal(scene.serialInVersion1('a'), scene.serialInRoot('a'));
  assert.equal((await sleeper.status()).files[0]?.wanted.serial, scene.serialInRoot('a'));
  await scene.assertNeverDark();
});
