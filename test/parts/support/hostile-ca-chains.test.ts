// The certificates that the hostile CA hands out, read from the wire.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, afterEach, test } from 'node:test';
import * as chains from '../../support/hostile-ca/chains.ts';
import { finalized, readyOrder } from '../../support/hostile-ca/client.ts';
import type { Fault } from '../../support/hostile-ca/hostile-ca.ts';
import { startRawStage } from '../../support/hostile-ca/stage.ts';

const names = ['a.example.test'];
const stage = await startRawStage();
after(stage.stop);
const { ca, client } = stage;
afterEach(() => ca.clear());

const certificateOf = async (): Promise<string> =>
  (await finalized(client, await readyOrder(client, names), names)).certificate;

const chainRows: [name: string, fault: Fault, check: (text: string, honest: string[]) => void][] = [
  [
    'another key',
    chains.forged({ names, isOfAnotherKey: true }),
    (text, honest) => assert.notEqual(spki(text), spki(honest.join(''))),
  ],
  [
    'other names',
    chains.forged({ names: ['evil.test'] }),
    (text) => assert.equal(new X509Certificate(text).subjectAltName, 'DNS:evil.test'),
  ],
  [
    'expired',
    chains.forged({ names, to: -0.5 }),
    (text, honest) => {
      assert.ok(Date.parse(new X509Certificate(text).validTo) < Date.now());
      assert.equal(spki(text), spki(honest.join('')));
    },
  ],
  ['backwards', chains.backwards, (text, [leaf, one, two]) => assert.equal(text, [leaf, two, one].join(''))],
  ['leaf last', chains.leafLast, (text, [leaf, one, two]) => assert.equal(text, [two, one, leaf].join(''))],
  ['no intermediate', chains.withoutIntermediate, (text, [leaf]) => assert.equal(text, leaf)],
  [
    'comments and CRLF',
    chains.withComments,
    (text) => assert.match(text, /^subject=.*\r\nissuer=.*\r\n\r\n-----BEGIN/),
  ],
  ['unreadable', chains.unreadable, (text) => assert.throws(() => new X509Certificate(text))],
];

const spki = (text: string) => new X509Certificate(text).publicKey.export({ type: 'spki', format: 'pem' });
const blocksOf = (text: string) => text.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----\n/g) ?? [];

for (const [name, fault, check] of chainRows) {
  test(`certificate: ${name}`, async () => {
    const url = await certificateOf();
    const honest = blocksOf((await client.post(url, null)).body);
    ca.fault('certificate', fault);

    check((await client.post(url, null)).body, honest);
  });
}

test('certificate: with the root', async () => {
  const rootPem = await stage.pebble.rootPem();
  ca.fault('certificate', chains.withRoot(rootPem));

  assert.ok((await client.post(await certificateOf(), null)).body.endsWith(rootPem));
});
