// Issuer and agents are upgraded in any order, and back: nobody is without a certificate, nothing is ordered that is not due.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startUpgrade } from '../../support/upgrade.ts';

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
