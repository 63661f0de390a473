/** Statements that only the issuer can make: compact JWS with Ed25519 (RFC 7515, RFC 8037). */
import assert from 'node:assert/strict';
import { createPrivateKey, sign } from 'node:crypto';
import { test } from 'node:test';
import * as z from 'zod';
import { certificateName, fleetName } from '#contract/layout.ts';
import { readReceipt, signReceipt } from '#contract/receipt.ts';
import { generatePrivateKey, readStatement, signerOf } from '#contract/statement.ts';

const claimsSchema = z.looseObject({ word: z.string() });
const privateKey = generatePrivateKey();
const signer = signerOf(privateKey);

test('what was signed is read, with the key that signed it', () => {
  const text = signer.sign('manifest', { word: 'a' });

  assert.deepEqual(readStatement('manifest', text, claimsSchema), { claims: { word: 'a' }, key: signer.key });
});

test('the form is that of RFC 8037, appendix A.4: any JOSE library verifies it', () => {
  const [head = '', , signature = ''] = signer.sign('pem', { word: 'a' }).split('.');

  assert.deepEqual(JSON.parse(Buffer.from(head, 'base64url').toString()), {
    alg: 'EdDSA',
    kid: signer.key,
    typ: 'pemfleet-pem+jws',
  });
  assert.equal(Buffer.from(signature, 'base64url').length, 64);
});

/** As somebody would who has a key, but not ours, or who has seen our statements. */
function forged(header: object, claims: object, key = privateKey): string {
  const parts = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
  const signature = sign(null, Buffer.from(parts.join('.')), createPrivateKey(key));
  return [...parts, signature.toString('base64url')].join('.');
}

const good = signer.sign('manifest', { word: 'a' });
const [head = '', payload = '', signature = ''] = good.split('.');
const header = { alg: 'EdDSA', kid: signer.key, typ: 'pemfleet-manifest+jws' };
const REFUSED: [what: string, text: string][] = [
  ['another kind', signer.sign('pem', { word: 'a' })],
  ['other claims', [head, Buffer.from('{"word":"b"}').toString('base64url'), signature].join('.')],
  ['another key under our name', forged(header, { word: 'a' }, generatePrivateKey())],
  ['no signature', [head, payload, ''].join('.')],
  ['algorithm none', forged({ ...header, alg: 'none' }, { word: 'a' })],
  ['algorithm HS256', forged({ ...header, alg: 'HS256' }, { word: 'a' })],
  ['a header that wants to be understood', forged({ ...header, crit: ['exp'], exp: 1 }, { word: 'a' })],
  ['a key in the header', forged({ ...header, jwk: {} }, { word: 'a' })],
  ['no kid', forged({ alg: 'EdDSA', typ: header.typ }, { word: 'a' })],
  ['claims of another form', signer.sign('manifest', { other: 1 })],
  ['claims that are no JSON', [head, '____', signature].join('.')],
  ['a truncated text', good.slice(0, -1)],
  ['white space', ` ${good}`],
  ['two texts', `${good}.${good}`],
  ['nothing', ''],
  ['a giant', `${'a'.repeat(1_000_000)}.a.${signature}`],
];

for (const [what, text] of REFUSED) {
  test(`${what}: refused, and the message quotes nothing`, () => {
    assert.throws(
      () => readStatement('manifest', text, claimsSchema),
      (error: Error) => {
        assert.equal(error.name, 'StatementRefused');
        assert.ok(error.message.length < 100);
        return true;
      },
    );
  });
}

test('a private key that is none, or of another kind, is refused without being quoted', () => {
  assert.throws(() => signerOf('nonsense'), { name: 'StatementRefused', message: /PKCS#8/ });
});

test('a receipt says fleet, name, digest, end and sequence', () => {
  const claims = {
    fleet: fleetName.parse('edge'),
    name: certificateName.parse('a.test'),
    sha256: 'a'.repeat(64),
    notAfter: '2027-01-01T00:00:00.000Z',
    sequence: 7,
  };

  assert.deepEqual(readReceipt(signReceipt(signer, claims)), { claims, key: signer.key });
});
