/** What every CA must give, whichever software it runs: the same tests over each real one. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { HOUR_MS } from '#common/time.ts';
import { verify } from '#contract/combined-pem.ts';
import { layout } from '#contract/layout.ts';
import { base64Lines } from '../odd-certificates.ts';
import { fleet, named } from './documents.ts';
import { readPublished } from './signing.ts';
import type { CaStage } from './stage.ts';

/** The CA refuses to order it. */
export const REFUSED = 'refused.test';
/** Of the certificates. */
export const LIFETIME_HOURS = 6;

/** @param stageOf gives the stage of all tests; REFUSED and LIFETIME_HOURS hold there */
export function caSuite(name: string, stageOf: () => CaStage): void {
  test(`${name}: three names in one certificate are issued and published, and chain up to the CA's root`, async () => {
    const stage = stageOf();
    const identifiers = ['shop.test', 'www.shop.test', 'cdn.shop.test'];

    const [outcome] = await stage.pass([{ name: 'shop', identifiers }]);

    assert.equal(outcome?.result, 'issued', outcome?.error?.message);
    const { text } = await publishedAt(stage, 'shop');
    const { leaf, chain } = verify(text, { identifiers, keyType: 'ec256' }, new Date());
    assert.equal(outcome.serial, leaf.serialNumber);
    assert.ok(chain.at(-1)?.verify(new X509Certificate(await stage.ca.rootPem()).publicKey));
    await assertNothingLeft(stage);
    for (const line of base64Lines(text)) assert.ok(!stage.events.text().includes(line));
  });

  test(`${name}: an IP address is proved by HTTP-01 (RFC 8738)`, async () => {
    const stage = stageOf();
    const [outcome] = await stage.pass([{ identifiers: ['127.0.0.1'] }]);

    assert.equal(outcome?.result, 'issued', outcome?.error?.message);
    verify((await publishedAt(stage, '127.0.0.1')).text, { identifiers: ['127.0.0.1'] }, new Date());
  });

  test(`${name}: a renewal is by a new key, keeps its predecessor, and then nothing is due`, async () => {
    const stage = stageOf();
    const certificates = [{ identifiers: ['renewed.test'] }];
    await stage.pass(certificates);
    const first = await publishedAt(stage, 'renewed.test');

    const [renewed] = await stage.pass(certificates, { force: true });
    const [kept] = await stage.pass(certificates);

    const second = await publishedAt(stage, 'renewed.test');
    assert.deepEqual([renewed?.result, kept?.result], ['issued', 'kept'], renewed?.error?.message);
    assert.notEqual(base64Lines(second.text).at(-1), base64Lines(first.text).at(-1));
    assert.equal(second.entry?.previous?.pems[0]?.sha256, first.entry?.pems[0]?.sha256);
    await assertNothingLeft(stage);
  });

  test(`${name}: a certificate of six hours is renewed before its last hour`, async () => {
    const stage = stageOf();
    const certificates = [{ identifiers: ['short.test'] }];
    const [issued] = await stage.pass(certificates);
    const { entry } = await publishedAt(stage, 'short.test');

    stage.advance(5 * HOUR_MS);
    const [renewed] = await stage.pass(certificates);

    assert.deepEqual([issued?.result, renewed?.result], ['issued', 'issued'], renewed?.error?.message);
    const pem = (await publishedAt(stage, 'short.test')).entry?.pems[0];
    assert.notEqual(pem?.serial, entry?.pems[0]?.serial);
  });

  test(`${name}: a name that the CA refuses to order costs no other certificate anything, and has the CA's reason`, async () => {
    const stage = stageOf();
    const outcomes = await stage.pass(
      ['a.test', REFUSED, 'b.test'].map((identifier) => ({ identifiers: [identifier] })),
    );

    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ['issued', 'failed', 'issued'],
    );
    assert.equal(outcomes[1]?.error?.code, 'ERR_ACME_PROBLEM');
    assert.match(outcomes[1]?.error?.message ?? '', /^rejectedIdentifier \(/);
  });
}

export async function publishedAt(stage: CaStage, name: string) {
  const entry = (await readPublished(stage.bucket, fleet))?.manifest.certificates[named(name)];
  const sha256 = entry?.pems[0]?.sha256 ?? '';
  return { entry, text: stage.bucket.text(layout.pem(fleet, named(name), sha256)) ?? '' };
}

export async function assertNothingLeft(stage: CaStage): Promise<void> {
  assert.deepEqual(await stage.bucket.list('challenge/'), []);
  assert.deepEqual(await stage.bucket.list(layout.orders), []);
}
