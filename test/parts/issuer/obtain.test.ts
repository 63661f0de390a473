/** Certificates from a real CA, from the first order to a renewal. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { verify } from '#contract/combined-pem.ts';
import { fleetName, layout } from '#contract/layout.ts';
import { fleet, named } from '../../support/issuer/documents.ts';
import { readPublished } from '../../support/issuer/signing.ts';
import { type Stage, startStage } from '../../support/issuer/stage.ts';
import { base64Lines } from '../../support/odd-certificates.ts';

async function published(stage: Stage, name: string, of = fleet) {
  const entry = (await readPublished(stage.bucket, of))?.manifest.certificates[named(name)];
  const pem = entry?.pems[0];
  return { entry, pem, text: stage.bucket.text(layout.pem(of, named(name), pem?.sha256 ?? '')) ?? '' };
}

test('three names in one certificate, and an RSA key in another, are issued by HTTP-01 and published', async (t) => {
  const stage = await startStage(t, { authzReuse: 0 });
  const identifiers = ['shop.test', 'www.shop.test', 'cdn.shop.test'];

  const outcomes = await stage.pass([
    { name: 'shop', identifiers, fleets: ['default', 'other'] },
    { identifiers: ['rsa.test'], keyType: 'rsa2048' },
  ]);

  assert.deepEqual(
    outcomes.map(({ result, reason }) => `${result}: ${reason}`),
    ['issued: missing', 'issued: missing'],
  );
  const [shop, rsa, other] = [
    await published(stage, 'shop'),
    await published(stage, 'rsa.test'),
    await published(stage, 'shop', fleetName.parse('other')),
  ];
  const { leaf, chain } = verify(
    shop.text,
    { identifiers, keyType: 'ec256', sha256: shop.pem?.sha256 ?? '' },
    new Date(),
  );
  assert.ok(chain.at(-1)?.verify(new X509Certificate(await stage.pebble.rootPem()).publicKey));
  assert.deepEqual([shop.pem?.serial, outcomes[0]?.serial], [leaf.serialNumber, leaf.serialNumber]);
  assert.equal(shop.entry?.issued.directoryUrl, stage.pebble.directoryUrl);
  assert.match(String(shop.entry?.issued.accountUrl), /^https:/);
  verify(rsa.text, { identifiers: ['rsa.test'], keyType: 'rsa2048' }, new Date());
  assert.equal(other.text, shop.text);
  assert.deepEqual(await stage.bucket.list('challenge/'), []);
  assert.deepEqual(await stage.bucket.list(layout.orders), []);
  for (const line of base64Lines(shop.text)) assert.ok(!stage.events.text().includes(line));
});

test('a renewal is an order that replaces the certificate before it, by a new key; then nothing is due', async (t) => {
  const stage = await startStage(t);
  const certificates = [{ identifiers: ['a.test'] }];
  await stage.pass(certificates);
  const first = await published(stage, 'a.test');

  const [renewed] = await stage.pass(certificates, { force: true });
  const [kept] = await stage.pass(certificates);

  const second = await published(stage, 'a.test');
  assert.deepEqual([renewed?.result, renewed?.reason, kept?.result], ['issued', 'forced', 'kept']);
  assert.notEqual(second.pem?.serial, first.pem?.serial);
  assert.notEqual(base64Lines(second.text).at(-1), base64Lines(first.text).at(-1));
  assert.equal(second.entry?.previous?.pems[0]?.sha256, first.pem?.sha256);
  assert.deepEqual(
    stage.events.fieldsOf('order.created').map(({ replaces }) => replaces),
    [undefined, first.pem?.certId],
  );
});

test('a certificate that was replaced already is ordered all the same', async (t) => {
  const stage = await startStage(t);
  const certificates = [{ identifiers: ['a.test'] }];
  await stage.pass(certificates);
  const before = stage.bucket.text(layout.root(fleet)) ?? '';
  await stage.pass(certificates, { force: true });
  await stage.bucket.put(layout.root(fleet), before);

  const [outcome] = await stage.pass(certificates, { force: true });

  assert.equal(outcome?.result, 'issued');
  assert.deepEqual(stage.events.fieldsOf('order.created').at(-1)?.['replaces'], undefined);
});

test('two certificates of the same names are two orders, one after the other', async (t) => {
  const stage = await startStage(t);
  const identifiers = ['a.test', 'b.test'];

  const outcomes = await stage.pass([
    { name: 'one', identifiers },
    { name: 'two', identifiers: identifiers.toReversed() },
  ]);

  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ['issued', 'issued'],
  );
  assert.notEqual(outcomes[0]?.serial, outcomes[1]?.serial);
});

test('an unknown profile is refused before it costs an order, with the list that the directory offers', async (t) => {
  const stage = await startStage(t);

  const [outcome] = await stage.pass([{ identifiers: ['a.test'], profile: 'nonesuch' }]);

  assert.equal(outcome?.error?.code, 'ERR_ACME_NOT_OFFERED');
  assert.equal(outcome?.error?.message, 'wanted profile nonesuch; the CA offers default');
  assert.deepEqual(await stage.bucket.list(layout.orders), []);
});

for (const nonceRejectPercent of [5, 50]) {
  test(`twenty certificates are issued by a CA that refuses ${nonceRejectPercent} % of all nonces`, async (t) => {
    const stage = await startStage(t, { nonceRejectPercent });
    const certificates = Array.from({ length: 20 }, (_, index) => ({ identifiers: [`n${index}.test`] }));

    const outcomes = await stage.pass(certificates);

    assert.deepEqual(
      outcomes.filter(({ result }) => result !== 'issued'),
      [],
    );
    assert.equal(new Set(outcomes.map(({ serial }) => serial)).size, 20);
    assert.equal(stage.events.fieldsOf('order.created').length, 20);
  });
}
