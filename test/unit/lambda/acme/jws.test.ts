/** Signatures as RFC 8555 §6.2 wants them, checked with the public half that they show. */
import assert from 'node:assert/strict';
import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import { test } from 'node:test';
import { type JsonWebSignature, SigningKey, signByHmac } from '../../../../lambda/acme/jws.ts';

const url = 'https://ca.test/order';
const pemOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const decode = (part: string) => Buffer.from(part, 'base64url').toString();
const headerOf = (jws: JsonWebSignature) => JSON.parse(decode(jws.protected));
const inputOf = (jws: JsonWebSignature) => Buffer.from(`${jws.protected}.${jws.payload}`);

const KEYS = [
  ['ES256', 'sha256', 64, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
  ['ES384', 'sha384', 96, generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey],
  ['ES512', 'sha512', 132, generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey],
  ['RS256', 'sha256', 256, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
] as const;

for (const [alg, hash, bytes, privateKey] of KEYS) {
  test(`${alg} (RFC 7518 §3.1): the key that the header shows verifies it`, () => {
    const key = new SigningKey(pemOf(privateKey));

    const jws = key.sign({ a: 1 }, { url, nonce: 'n1' });

    const { jwk, ...header } = headerOf(jws);
    assert.deepEqual(header, { alg, url, nonce: 'n1' });
    assert.equal(decode(jws.payload), '{"a":1}');
    const signature = Buffer.from(jws.signature, 'base64url');
    const shown = createPublicKey({ key: jwk, format: 'jwk' });
    assert.equal(signature.length, bytes);
    assert.ok(verify(hash, inputOf(jws), { key: shown, dsaEncoding: 'ieee-p1363' }, signature));
    assert.equal(jwk.d, undefined, 'nothing of the private half');
  });
}

test('with an account, the header names it in place of the key; POST-as-GET has an empty payload', () => {
  const key = new SigningKey(pemOf(KEYS[0][3]));

  const jws = key.sign(null, { url, nonce: 'n1', kid: 'https://ca.test/account/1' });

  assert.deepEqual(headerOf(jws), { alg: 'ES256', url, nonce: 'n1', kid: 'https://ca.test/account/1' });
  assert.equal(jws.payload, '');
});

test('RFC 8555 §7.3.4: an external account binds our public key, by the key of both, in either alphabet of base64', () => {
  const secret = Buffer.from('fbefbefbefbe', 'hex');
  const { jwk } = new SigningKey(pemOf(KEYS[0][3]));

  for (const hmacKey of [secret.toString('base64url'), secret.toString('base64')]) {
    const jws = signByHmac(hmacKey, jwk, { url, kid: 'customer-1' });

    assert.deepEqual(headerOf(jws), { alg: 'HS256', url, kid: 'customer-1' });
    assert.deepEqual(JSON.parse(decode(jws.payload)), jwk);
    assert.equal(jws.signature, createHmac('sha256', secret).update(inputOf(jws)).digest('base64url'));
  }
});

test('a key that no CA takes is refused before anything is signed', () => {
  const key = pemOf(generateKeyPairSync('ed25519').privateKey);

  assert.throws(() => new SigningKey(key), {
    name: 'TypeError',
    message: /no algorithm for a key of type OKP/,
  });
});
