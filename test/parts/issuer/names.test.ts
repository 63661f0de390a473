/** A CA that adds names to a certificate: none reaches the bucket that nobody ordered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Transport } from '../../../lambda/acme/transport.ts';
import type { Ca } from '../../../lambda/ca/ca.ts';
import { forged } from '../../support/hostile-ca/chains.ts';
import { fleet } from '../../support/issuer/documents.ts';
import { readPublished } from '../../support/issuer/signing.ts';
import { type Stage, startStage } from '../../support/issuer/stage.ts';

/** The stage's CA, which delivers a leaf for `names`, with the key of the CSR. */
function addingNames({ exchange }: Stage, names: readonly string[]): Transport {
  let csr = Buffer.alloc(0);
  return async (method, url, body) => {
    const { payload = '' } = (body ?? {}) as { payload?: string };
    const sent = payload && JSON.parse(Buffer.from(payload, 'base64url').toString());
    if (sent.csr) csr = Buffer.from(sent.csr, 'base64url');
    const answer = await exchange(method, url, body);
    if (!String(answer.data).startsWith('-----BEGIN CERTIFICATE')) return answer;
    const forward = async () => ({ status: 200, headers: {}, body: Buffer.from(String(answer.data)) });
    const exchanged = { forward, orders: { csrOf: () => csr }, path: url } as never;
    return { ...answer, data: (await forged({ names })(exchanged)).body.toString() };
  };
}

test('a name that nobody ordered is refused; the order stays, and is published once the setting allows it', async (t) => {
  const stage = await startStage(t);
  const certificates = [{ identifiers: ['www.shop.test'] }];
  const cas = stage.casBy(addingNames(stage, ['www.shop.test', 'shop.test']));
  const config = stage.configOf(certificates);

  const [refused] = await stage.pass(certificates, {}, { cas });
  stage.advance(120_000);
  const allowed = new Map([...cas].map(([url, ca]) => [url, allowing(ca)]));
  const [issued] = await stage.pass(certificates, {}, { cas: allowed, config });

  assert.deepEqual([refused?.result, refused?.error?.code], ['failed', 'ERR_PEM_NAMES']);
  assert.match(refused?.error?.message ?? '', /saw shop\.test too: .*allowBareDomain: true/);
  assert.equal(issued?.result, 'issued');
  assert.equal(stage.events.fieldsOf('order.created').length, 1);
  const manifest = await readPublished(stage.bucket, fleet);
  assert.deepEqual(Object.keys(manifest?.manifest.certificates ?? {}), ['www.shop.test']);
});

const allowing = (ca: Ca): Ca => ({ ...ca, settings: { ...ca.settings, allowBareDomain: true } });
