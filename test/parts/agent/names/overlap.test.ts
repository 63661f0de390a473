// Certificates with names in common: HAProxy turns them round with each update, the agent keeps the newest valid one in front.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { syncHost } from '../../../../agent/pass/instances.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { agentHere } from '../../../support/agent/program.ts';
import { entryFor, serialOf } from '../../../support/agent/publish.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS);
const namesOf = (own: string) => ({ names: ['shop.test', '*.shop.test', `${own}.test`] });

async function assertServed(stage: Stage, pems: Record<string, string>, first: string): Promise<void> {
  for (const name of ['shop.test', 'any.shop.test']) {
    assert.equal((await stage.handshake(name)).serial, serialOf(pems[first] as string), name);
  }
  for (const [name, pem] of Object.entries(pems)) {
    assert.equal((await stage.handshake(`${name}.test`)).serial, serialOf(pem), name);
  }
}

for (const version of testedVersions()) {
  test(`${version}: HAProxy itself hands out the other certificate after an update of the first`, async (t) => {
    const stage = await makeStage(t, { version });
    const b = await stage.publish('b', { ...namesOf('b'), notBefore: daysAgo(2) });
    const a = await stage.publish('a', namesOf('a'));
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

  test(`${version}: the newest is served, whichever of them is new, renewed or reloaded; both are named`, async (t) => {
    const stage = await makeStage(t, { version });
    const pid = await stage.haproxy.pid();
    const pems: Record<string, string> = {};
    const renew = async (...names: string[]) => {
      for (const name of names) pems[name] = await stage.publish(name, namesOf(name));
      const result = await stage.pass();
      assertOk(result);
      await assertServed(stage, pems, names.at(-1) as string);
      return result;
    };

    await renew('b', 'c');
    const told = await renew('b');
    await renew('c');
    await renew('a');
    await renew('c', 'a');
    await renew('a', 'c');
    await renew('b');

    assert.equal(await stage.haproxy.pid(), pid);
    assert.match(
      told.stderr,
      /event=names\.overlap certificate=c file=c\.pem names=shop\.test,\*\.shop\.test count=2 servedBy=b\.pem reason="it was (issued|published) later"/,
    );
    const overlaps = (await stage.status()).files.map((file) => file.overlaps?.map(({ by }) => by));
    assert.deepEqual(overlaps, [['b.pem', 'b.pem'], undefined, ['b.pem', 'b.pem']]);
    await stage.haproxy.restart();
    await assertServed(stage, pems, 'a');
    assertOk(await stage.pass());
    await assertServed(stage, pems, 'b');
    await stage.withdraw('b');
    delete pems['b'];
    assertOk(await stage.pass());
    await assertServed(stage, pems, 'c');
  });

  test(`${version}: the newest is served after a start where no handshake proves it, too`, async (t) => {
    const stage = await makeStage(t, { version });
    await stage.publish('a', { ...namesOf('a'), notBefore: daysAgo(2) });
    const b = await stage.publish('b', namesOf('b'));
    assertOk(await stage.pass(['--handshake', '']));
    const served = [(await stage.handshake('shop.test')).serial];
    await stage.haproxy.restart();
    assertOk(await stage.pass(['--handshake', '']));
    served.push((await stage.handshake('shop.test')).serial);

    assert.deepEqual(served, [serialOf(b), serialOf(b)]);
  });

  test(`${version}: the newest is served until it expires between two passes, then the valid one`, async (t) => {
    const stage = await makeStage(t, { version });
    const old = await stage.publish('b-old', { ...namesOf('old'), notBefore: daysAgo(2) });
    const short = await stage.publish('a-short', { ...namesOf('short'), notAfter: daysAgo(-1) });
    assertOk(await stage.pass());
    const before = await stage.handshake('shop.test');
    const tomorrow = await agentHere(stage.flags, () => undefined, { now: () => daysAgo(-1.1) });

    await syncHost(tomorrow, {});

    assert.deepEqual(
      [before.serial, (await stage.handshake('shop.test')).serial],
      [serialOf(short), serialOf(old)],
    );
  });

  test(`${version}: a name that only the leaf has counts, on the first pass and after a start`, async (t) => {
    const stage = await makeStage(t, { version });
    const { combined } = await stage.pki.issue({ names: ['aaa.test', 'shop.test'], notBefore: daysAgo(2) });
    await stage.publishBytes('aaa', combined, entryFor(combined, ['aaa.test']));
    const shop = await stage.publish('shop', { names: ['shop.test'] });

    const first = await stage.pass();
    const served = [(await stage.handshake('shop.test')).serial];
    await stage.haproxy.restart();
    served.push((await stage.handshake('shop.test')).serial);
    assertOk(await stage.pass());
    served.push((await stage.handshake('shop.test')).serial);

    assertOk(first);
    assert.deepEqual(served, [serialOf(shop), serialOf(combined), serialOf(shop)]);
    assert.match(
      first.stderr,
      /event=names\.overlap certificate=aaa .*names=shop\.test .*servedBy=shop\.pem/,
    );
    const { files } = await stage.status();
    assert.deepEqual(
      files[0]?.overlaps?.map(({ name, by }) => [name, by]),
      [['shop.test', 'shop.pem']],
    );
  });

  test(`${version}: an exact RSA name beside an ECDSA wildcard: each is proved as its own kind of client`, async (t) => {
    const stage = await makeStage(t, { version });
    await stage.publish('exact', { names: ['a.shop.test'], keyType: 'rsa-2048' });
    await stage.publish('wild', { names: ['*.shop.test'] });
    await stage.publish('exact-ec', { names: ['a.cart.test'] });
    await stage.publish('wild-rsa', { names: ['*.cart.test'], keyType: 'rsa-2048' });

    const result = await stage.pass();

    assertOk(result);
    assert.doesNotMatch(result.stderr, /names\.overlap/);
  });

  test(`${version}: a certificate without a name of its own is not served, until its namesake goes`, async (t) => {
    const stage = await makeStage(t, { version });
    const second = await stage.publish('second', { names: ['shop.test'], notBefore: daysAgo(2) });
    await stage.publish('first', { names: ['shop.test', 'www.shop.test'] });
    const shadowed = await stage.pass();
    const { files } = await stage.status();
    await stage.withdraw('first');
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
    await stage.withdraw('old');
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
