// A certificate that is one file and becomes a pair, and the way back: the file names change, and no client is without an answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificateName, layout } from '#contract/layout.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { fleet } from '../../../support/agent/host.ts';
import { entryFor, pemRefFor, serialOf } from '../../../support/agent/publish.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { startVisitor } from '../../../support/agent/visitor.ts';

const names = ['shop.test', 'www.shop.test'];
const name = certificateName.parse('shop');

async function publishPair(stage: Stage) {
  const [rsa, ec] = await Promise.all(
    (['rsa-2048', 'ec-p256'] as const).map((keyType) => stage.pki.issue({ names, keyType })),
  );
  const [rsaPem, ecPem] = [rsa?.combined ?? '', ec?.combined ?? ''];
  await stage.bucket.put(layout.pem(fleet, name, pemRefFor(ecPem).sha256), ecPem);
  const entry = { ...entryFor(rsaPem, names), pems: [pemRefFor(rsaPem), pemRefFor(ecPem)] };
  await stage.publishBytes('shop', rsaPem, entry);
  return { rsa: rsaPem, ec: ecPem };
}

for (const version of ['2.6', '3.4'] as const) {
  test(`${version}: one file, a pair, one file: each goes when the others are served, and nobody notices`, async (t) => {
    const stage = await makeStage(t, { version, masterWorker: true });
    const single = await stage.publish('shop', { names });
    assertOk(await stage.pass());
    const visitor = startVisitor(stage.haproxy.httpsPort);
    t.after(() => visitor.stop());
    for (const one of names) visitor.require(one, single);
    const pair = await publishPair(stage);
    for (const one of names) for (const pem of Object.values(pair)) visitor.allow(one, pem);

    assertOk(await stage.pass());
    assert.deepEqual(stage.files(), ['shop.pem.ecdsa', 'shop.pem.rsa']);
    await stage.haproxy.reload();
    assertOk(await stage.pass());
    const back = await stage.publish('shop', { names });
    for (const one of names) visitor.allow(one, back);
    assertOk(await stage.pass());

    assert.deepEqual(stage.files(), ['shop.pem']);
    for (const one of names) assert.equal((await stage.handshake(one)).serial, serialOf(back));
    assert.deepEqual((await visitor.stop()).wrong, []);
    assert.equal((await stage.status()).removals, undefined);
  });
}

test('a pair of which one half is ended: the other half goes on', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const { rsa, ec } = await publishPair(stage);
  assertOk(await stage.pass());
  const { sha256, notAfter } = pemRefFor(rsa);
  const entry = await stage.entry('shop');
  await stage.withdraw('shop', { reason: 'revoked', pems: [{ sha256, notAfter }] });
  await stage.publishBytes('shop', ec, {
    ...entry,
    sequence: undefined,
    pems: entry.pems.filter((pem) => pem.sha256 !== sha256),
  });

  assertOk(await stage.pass());

  assert.deepEqual(stage.files(), ['shop.pem']);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(ec));
});
