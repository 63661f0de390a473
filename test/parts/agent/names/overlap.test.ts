// Certificates with names in common: HAProxy turns them round with each update, the agent keeps the first in front.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertOk } from '../../../support/agent/assess.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { haproxyVersions } from '../../../support/parts/haproxy.ts';

const namesOf = (own: string) => ({ names: ['shop.test', '*.shop.test', `${own}.test`] });

async function assertServed(stage: Stage, pems: Record<string, string>, first: string): Promise<void> {
  for (const name of ['shop.test', 'any.shop.test']) {
    assert.equal((await stage.handshake(name)).serial, serialOf(pems[first] as string), name);
  }
  for (const [name, pem] of Object.entries(pems)) {
    assert.equal((await stage.handshake(`${name}.test`)).serial, serialOf(pem), name);
  }
}

for (const version of haproxyVersions) {
  test(`${version}: HAProxy itself hands out the other certificate after an update of the first`, async (t) => {
    const stage = await makeStage(t, { version });
    const a = await stage.publish('a', namesOf('a'));
    const b = await stage.publish('b', namesOf('b'));
    assertOk(await stage.pass());
    await stage.haproxy.restart();
    const file = join(stage.haproxy.certsDir, 'a.pem');

    const before = await stage.handshake('shop.test');
    await stage.haproxy.command(`set ssl cert ${file} <<\n${a}`);
    await stage.haproxy.command(`commit ssl cert ${file}`);
    const after = await stage.handshake('shop.test');

    assert.deepEqual([before.serial, after.serial], [serialOf(a), serialOf(b)]);
    assertOk(await stage.pass());
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(a), 'found by a handshake');
  });

  test(`${version}: the first by name is served, whichever of them is new, renewed or reloaded; both are named`, async (t) => {
    const stage = await makeStage(t, { version });
    const pid = await stage.haproxy.pid();
    const pems: Record<string, string> = {};
    const renew = async (...names: string[]) => {
      for (const name of names) pems[name] = await stage.publish(name, namesOf(name));
      const result = await stage.pass();
      assertOk(result);
      return result;
    };

    await renew('b', 'c');
    await assertServed(stage, pems, 'b');
    const told = await renew('b');
    await assertServed(stage, pems, 'b');
    await renew('c');
    await assertServed(stage, pems, 'b');
    await renew('a');
    await assertServed(stage, pems, 'a');
    await renew('a', 'c');
    await assertServed(stage, pems, 'a');
    await renew('b');
    await assertServed(stage, pems, 'a');

    assert.equal(await stage.haproxy.pid(), pid);
    assert.match(
      told.stderr,
      /event=names\.overlap certificate=c file=c\.pem names=shop\.test,\*\.shop\.test count=2 servedBy=b\.pem/,
    );
    const overlaps = (await stage.status()).files.map((file) => file.overlaps?.map(({ by }) => by));
    assert.deepEqual(overlaps, [undefined, ['a.pem', 'a.pem'], ['a.pem', 'a.pem']]);
    await stage.haproxy.restart();
    await assertServed(stage, pems, 'a');
    await stage.unpublish('a');
    delete pems['a'];
    assertOk(await stage.pass());
    await assertServed(stage, pems, 'b');
  });

  test(`${version}: a certificate without a name of its own is not served, until its namesake goes`, async (t) => {
    const stage = await makeStage(t, { version });
    await stage.publish('first', { names: ['shop.test', 'www.shop.test'] });
    const second = await stage.publish('second', { names: ['shop.test'] });
    const shadowed = await stage.pass();
    const { files } = await stage.status();
    await stage.unpublish('first');
    const alone = await stage.pass();

    assert.equal(shadowed.code, 3, shadowed.stderr);
    assert.deepEqual(
      files.map(({ state, error }) => [state, error?.code]),
      [
        ['served', undefined],
        ['failed', 'ERR_HANDSHAKE_OVERLAP'],
      ],
    );
    assertOk(alone);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(second));
  });

  test(`${version}: a renamed certificate is proved when the one with the old name has gone`, async (t) => {
    const stage = await makeStage(t, { version });
    await stage.publish('old', { names: ['shop.test'] });
    assertOk(await stage.pass());
    await stage.unpublish('old');
    const pem = await stage.publish('renamed', { names: ['shop.test'] });

    assertOk(await stage.pass());

    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
    assert.deepEqual(stage.files(), ['renamed.pem']);
  });

  test(`${version}: RSA and ECDSA of one name, as two certificates, do not collide`, async (t) => {
    const stage = await makeStage(t, { version });
    await stage.publish('rsa', { names: ['shop.test'], keyType: 'rsa-2048' });
    await stage.publish('ec', { names: ['shop.test'] });
    assertOk(await stage.pass());
    await stage.publish('ec', { names: ['shop.test'] });

    const renewed = await stage.pass();

    assertOk(renewed);
    assert.doesNotMatch(renewed.stderr, /names\.overlap/);
    assert.deepEqual(
      (await stage.status()).files.map(({ state }) => state),
      ['served', 'served'],
    );
  });
}
