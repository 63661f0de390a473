// What a handshake has to show: a real client and a TLS server in the place of the bind.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createSecureContext, createServer } from 'node:tls';
import { parse } from '#contract/combined-pem.ts';
import { proveServed } from '../../../../agent/deploy/handshake.ts';
import { HandshakeFailed } from '../../../../agent/errors.ts';
import { wantedChainOf } from '../../../../agent/proof/wanted-chain.ts';
import { desired } from '../../../support/agent/plan-fixtures.ts';
import { createPki } from '../../../support/parts/pki.ts';

const pki = await createPki();
const wanted = await pki.issue({ names: ['shop.test'] });
const other = await pki.issue({ names: ['shop.test'] });

/** @returns the address of a bind that sends these certificates */
async function bindWith(t: TestContext, cert: string, key: string): Promise<string> {
  const server = createServer({ cert, key }, (socket) => socket.resume()).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const prove = (...addresses: string[]) =>
  proveServed(addresses, desired, wantedChainOf(parse(wanted.combined))).catch((error: unknown) => error);

test('the certificate with its whole chain is served', async (t) => {
  const address = await bindWith(t, wanted.leafPem + pki.intermediatePem, wanted.keyPem);

  assert.deepEqual(await prove(address), [address]);
});

test('ERR_HANDSHAKE_CHAIN: the certificate without its intermediate is not served, though leaf and key are right', async (t) => {
  const address = await bindWith(t, wanted.leafPem, wanted.keyPem);

  const error = await prove(address);

  assert.ok(error instanceof HandshakeFailed, `${error}`);
  assert.equal(error.code, 'ERR_HANDSHAKE_CHAIN');
  assert.match(error.message, /for shop\.test: wanted a chain of 2, saw 1$/);
});

test('ERR_HANDSHAKE_CHAIN: another intermediate in the place of the right one leads to no root', async (t) => {
  const address = await bindWith(t, wanted.leafPem + (await createPki()).intermediatePem, wanted.keyPem);

  const error = await prove(address);

  assert.ok(error instanceof HandshakeFailed, `${error}`);
  assert.equal(error.code, 'ERR_HANDSHAKE_CHAIN');
  assert.match(
    error.message,
    /wanted [0-9A-F]{64} \(SHA-256\) as certificate 2 of the chain, saw [0-9A-F]{64}$/,
  );
});

test('of a stranger that has taken the second name, the second proof finds out', async (t) => {
  const two = await pki.issue({ names: ['shop.test', 'www.shop.test'] });
  const [own, foreign] = [two, other].map(({ leafPem, keyPem }) =>
    createSecureContext({ cert: leafPem + pki.intermediatePem, key: keyPem }),
  );
  const server = createServer(
    { SNICallback: (name, done) => done(null, name === 'www.shop.test' ? foreign : own) },
    (socket) => socket.resume(),
  ).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const turn = (turn: number) =>
    proveServed([address], { ...desired, turn }, wantedChainOf(parse(two.combined))).catch(
      (error: unknown) => error,
    );

  const [first, second] = [await turn(0), await turn(1)];

  assert.deepEqual(first, [address]);
  assert.ok(second instanceof HandshakeFailed, `${second}`);
  assert.equal(second.servername, 'www.shop.test');
});

test('ERR_HANDSHAKE_CERTIFICATE: another certificate for the same name is named by its serial', async (t) => {
  const right = await bindWith(t, wanted.leafPem + pki.intermediatePem, wanted.keyPem);
  const wrong = await bindWith(t, other.leafPem + pki.intermediatePem, other.keyPem);

  const error = await prove(right, wrong);

  assert.ok(error instanceof HandshakeFailed, `${error}`);
  assert.equal(error.code, 'ERR_HANDSHAKE_CERTIFICATE');
  assert.equal(error.address, wrong);
  const [serial, seen] = [wanted, other].map(({ combined }) => parse(combined).leaf.serialNumber);
  assert.match(error.message, new RegExp(`wanted serial ${serial}, saw ${seen}$`));
});
