/** The canonical form: what `assemble` writes, what `parse` refuses. */
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { assemble, parse, verify } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';
import { MAX_PEM_BYTES } from '#contract/limits.ts';
import { base64Lines } from '../../../support/odd-certificates.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { thrownBy } from '../../../support/thrown-by.ts';

const pki = await createPki();
const { leafPem, keyPem, combined } = await pki.issue({ names: ['a.test'] });
const { intermediatePem, rootPem } = pki;
const other = await pki.issue({ names: ['b.test'] });
const now = new Date();

test('what is assembled is canonical, and parses to the same leaf, chain and key', () => {
  const text = assemble([leafPem, intermediatePem], keyPem);

  const pem = parse(text);

  assert.equal(text, combined);
  assert.equal(`${pem.leaf}`, leafPem);
  assert.deepEqual(
    pem.chain.map((certificate) => `${certificate}`),
    [leafPem, intermediatePem],
  );
  assert.ok(pem.leaf.checkPrivateKey(pem.key));
});

test('RFC 8446 §4.4.2: a root at the end of the chain of the CA is left out', () => {
  assert.equal(assemble([leafPem, intermediatePem, rootPem], keyPem), combined);
});

test('carriage returns, comments and odd line lengths of the CA are normalised', () => {
  const crlf = (pem: string) => pem.replaceAll('\n', '\r\n');
  const commented = `# subject: a.test\n\n${crlf(leafPem)}\r\n\r\n`;
  const body = base64Lines(intermediatePem).join('');
  const narrow = `-----BEGIN CERTIFICATE-----\n${(body.match(/.{1,40}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----`;

  const text = assemble([commented, narrow], crlf(keyPem));

  assert.equal(text, combined);
});

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

for (const [label, key] of [
  ['EC PRIVATE KEY (SEC1)', ec.export({ type: 'sec1', format: 'pem' })],
  ['RSA PRIVATE KEY (PKCS#1)', rsa.export({ type: 'pkcs1', format: 'pem' })],
] as const) {
  test(`a key labelled ${label} is assembled as PKCS#8`, () => {
    const text = assemble([leafPem, intermediatePem], String(key));

    assert.match(text, /-----BEGIN PRIVATE KEY-----\n[^-]+-----END PRIVATE KEY-----\n$/);
    assert.ok(parse(text).key.equals(createPrivateKey(key)));
  });
}

const chainPem = leafPem + intermediatePem;
const sec1 = String(ec.export({ type: 'sec1', format: 'pem' }));
const pkcs1 = String(rsa.export({ type: 'pkcs1', format: 'pem' }));
const encrypted = String(
  ec.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open' }),
);
const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
const damagedKey = keyPem.replace(/\n[A-Za-z0-9+/]{8}/, '\nAAAAAAAA');
const damagedLeaf = leafPem.replace(/\n[A-Za-z0-9+/]{8}/, '\nAAAAAAAA');

/** Each of these makes HAProxy serve something else than was meant, or nothing. */
const REFUSED: [says: string, text: string, code: string][] = [
  ['an empty text', '', 'ERR_PEM_SYNTAX'],
  ['a line feed alone', '\n', 'ERR_PEM_SYNTAX'],
  ['a blank line between the blocks', `${leafPem}\n${intermediatePem}${keyPem}`, 'ERR_PEM_SYNTAX'],
  ['a blank line before the key', `${chainPem}\n${keyPem}`, 'ERR_PEM_SYNTAX'],
  ['a blank line at the start', `\n${combined}`, 'ERR_PEM_SYNTAX'],
  ['a blank line at the end', `${combined}\n`, 'ERR_PEM_SYNTAX'],
  [
    'a blank line within a block',
    combined.replace('CERTIFICATE-----\n', 'CERTIFICATE-----\n\n'),
    'ERR_PEM_SYNTAX',
  ],
  ['carriage returns', combined.replaceAll('\n', '\r\n'), 'ERR_PEM_SYNTAX'],
  ['one carriage return', combined.replace('\n', '\r\n'), 'ERR_PEM_SYNTAX'],
  ['a trailing space', combined.replace('-----\n', '----- \n'), 'ERR_PEM_SYNTAX'],
  ['an indented line', combined.replace('\n', '\n '), 'ERR_PEM_SYNTAX'],
  [
    'a comment between the blocks',
    `${leafPem}# issued by a test\n${intermediatePem}${keyPem}`,
    'ERR_PEM_SYNTAX',
  ],
  ['base64 text between the blocks', `${leafPem}QUJD\n${intermediatePem}${keyPem}`, 'ERR_PEM_SYNTAX'],
  ['a byte order mark', `\ufeff${combined}`, 'ERR_PEM_SYNTAX'],
  ['no final line feed', combined.slice(0, -1), 'ERR_PEM_SYNTAX'],
  ['a text cut within the key', combined.slice(0, -60), 'ERR_PEM_SYNTAX'],
  [
    'a text cut after a line of the key',
    combined.replace(/[^\n]+\n-----END PRIVATE KEY-----\n$/, ''),
    'ERR_PEM_SYNTAX',
  ],
  ['a text cut after the chain', chainPem, 'ERR_PEM_KEY'],
  ['a key alone', keyPem, 'ERR_PEM_SYNTAX'],
  ['two keys', combined + other.keyPem, 'ERR_PEM_SYNTAX'],
  ['the key first', keyPem + chainPem, 'ERR_PEM_SYNTAX'],
  ['the key between the certificates', leafPem + keyPem + intermediatePem, 'ERR_PEM_SYNTAX'],
  ['an encrypted key', chainPem + encrypted, 'ERR_PEM_KEY'],
  ['an EC PARAMETERS block before the key', chainPem + parameters + keyPem, 'ERR_PEM_SYNTAX'],
  ['a key labelled EC PRIVATE KEY', chainPem + sec1, 'ERR_PEM_KEY'],
  ['a key labelled RSA PRIVATE KEY', chainPem + pkcs1, 'ERR_PEM_KEY'],
  [
    'a traditional encrypted key',
    `${chainPem}${sec1.replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\n')}`,
    'ERR_PEM_SYNTAX',
  ],
  ['a key whose content is none', chainPem + damagedKey, 'ERR_PEM_KEY'],
  ['a certificate whose content is none', damagedLeaf + intermediatePem + keyPem, 'ERR_PEM_SYNTAX'],
  [
    'a TRUSTED CERTIFICATE block',
    combined.replaceAll(' CERTIFICATE', ' TRUSTED CERTIFICATE'),
    'ERR_PEM_SYNTAX',
  ],
  ['boundaries that do not match', combined.replace('END CERTIFICATE', 'END PRIVATE KEY'), 'ERR_PEM_SYNTAX'],
  ['HTML', '<html><body>503 Service Unavailable</body></html>\n', 'ERR_PEM_SYNTAX'],
  ['a text that is too large', `${leafPem}${intermediatePem.repeat(200)}${keyPem}`, 'ERR_PEM_SIZE'],
];

for (const [says, text, code] of REFUSED) {
  test(`${says} is refused with ${code}, and no message holds key material`, () => {
    const error = rejection(() => parse(text));

    assert.equal(error.code, code);
    assert.doesNotMatch(error.message, /PRIVATE KEY-----/);
    const leaked = base64Lines(text).filter((line) => `${error.stack} ${error.cause}`.includes(line));
    assert.deepEqual(leaked, []);
    assert.equal(error.cause, undefined, 'the parsers of OpenSSL quote what they read');
    assert.throws(() => verify(text, { identifiers: ['a.test'] }, now), { code });
  });
}

test('a message names the line that is blank', () => {
  const lines = leafPem.split('\n').length - 1;

  assert.match(
    rejection(() => parse(`${leafPem}\n${intermediatePem}${keyPem}`)).message,
    new RegExp(`line ${lines + 1} is blank`),
  );
});

test('the size limit is in bytes and includes the limit itself', () => {
  const full = (size: number) =>
    `${'A'.repeat(64)}\n`
      .repeat(Math.ceil(size / 65))
      .slice(0, size - 1)
      .concat('\n');

  assert.equal(rejection(() => parse(full(MAX_PEM_BYTES))).code, 'ERR_PEM_SYNTAX');
  assert.equal(rejection(() => parse(full(MAX_PEM_BYTES + 1))).code, 'ERR_PEM_SIZE');
});

function rejection(work: () => unknown): PemRejected {
  return thrownBy(PemRejected, work);
}
