// What people have in their files: each form gives the same canonical PEM, or says what is wrong with it and shows nothing of a key.
import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { test } from 'node:test';
import forge from 'node-forge/lib/forge.js';
import 'node-forge/lib/pkcs12.js';
import type { Asn1 } from 'node-forge/lib/pkcs12.js';
import { DAY_MS } from '#common/time.ts';
import { assemble } from '#contract/combined-pem.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { arrange } from '../../../../lambda/import/arrange.ts';
import { type GivenFile, MAX_IMPORT_BYTES, readMaterial } from '../../../../lambda/import/material.ts';
import { makePkcs12 } from '../../../support/issuer/pkcs12.ts';
import { base64Lines, certify, certifyChain } from '../../../support/odd-certificates.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const pki = await createPki();
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS);
const names = ['shop.test', '*.shop.test', '192.0.2.1'];
const [shop, rsa, foreign] = await Promise.all([
  pki.issue({ names }),
  pki.issue({ names, keyType: 'rsa-2048' }),
  pki.issue({ names: ['other.test'] }),
]);
const { leafPem, keyPem, combined } = shop;
const { intermediatePem, rootPem } = pki;
const other = await createPki('another');
const key = createPrivateKey(keyPem);
const passphrase = 'gehéim';
const encrypted = String(key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }));
const oldEncrypted = String(key.export({ type: 'sec1', format: 'pem', cipher: 'aes-128-cbc', passphrase }));
const sec1 = String(key.export({ type: 'sec1', format: 'pem' }));
const derOf = (pem: string) => Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');

async function imported(files: readonly (string | Buffer)[], word?: string, now = new Date()) {
  const given = files.map((body, index): GivenFile => ({ file: `f${index + 1}`, body: Buffer.from(body) }));
  const { certificates, notes } = arrange(await readMaterial(given, async () => word), now);
  const texts = certificates.map(({ chain, key: own }) =>
    assemble(chain.map(String), own.export({ type: 'pkcs8', format: 'pem' }).toString()),
  );
  return { texts, notes, certificates };
}

const utf16 = (text: string) => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
const TAKEN: [says: string, files: (string | Buffer)[], passphrase?: string][] = [
  ['one file as HAProxy has it', [combined]],
  ['the key in front, and the root behind', [keyPem + leafPem + intermediatePem + rootPem]],
  ['leaf, chain and key in three files, in any order', [intermediatePem, keyPem, leafPem]],
  ['the chain in the wrong order', [rootPem + intermediatePem, leafPem + keyPem]],
  ['the same certificates twice', [combined, leafPem + intermediatePem]],
  ['CRLF, spaces at ends of lines, and a byte order mark', [`\ufeff${combined.replaceAll('\n', ' \r\n')}`]],
  ['UTF-16, as Windows writes it', [utf16(combined)]],
  [
    'bag attributes and words between the blocks',
    [combined.replaceAll('-----BEGIN', '\nBag Attributes\n    x: y\n-----BEGIN')],
  ],
  ['blank lines inside of blocks', [combined.replaceAll(/\n(?=[A-Za-z0-9])/g, '\n\n')]],
  ['no line feed at the end', [combined.trimEnd()]],
  [
    "OpenSSL's form of an elliptic key, with its parameters",
    [
      `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${sec1}`,
      leafPem,
      intermediatePem,
    ],
  ],
  ['DER', [derOf(leafPem), derOf(intermediatePem), derOf(keyPem)]],
  ['DER of an old form', [derOf(leafPem), derOf(intermediatePem), derOf(sec1)]],
  ['an encrypted key', [encrypted, leafPem, intermediatePem], passphrase],
  ['an encrypted key of an old form', [leafPem + intermediatePem + oldEncrypted], passphrase],
  ['a certificate of another name beside', [combined, foreign.leafPem]],
];

test('each form in which people have a certificate gives the same PEM', async () => {
  for (const [says, files, word] of TAKEN) {
    assert.deepEqual((await imported(files, word)).texts, [combined], says);
  }
});

test('what is not needed is named', async () => {
  const { notes } = await imported([combined + rootPem, foreign.leafPem]);

  assert.deepEqual(notes, [
    'f1: CN=pemfleet test root is a root, and is left out',
    'f2: other.test is not needed, and is left out',
  ]);
});

test('PKCS#12: with the encryption of today and of yesterday, a passphrase beyond ASCII, an empty one, none', async (t) => {
  const dir = tempDir(t);
  const whole = combined + rootPem;
  const rows: [says: string, options: Parameters<typeof makePkcs12>[2]][] = [
    ['today', { passphrase }],
    ['3DES and RC2', { passphrase, legacy: true }],
    ['an empty passphrase', { passphrase: '' }],
    ['an empty passphrase, 3DES and RC2', { passphrase: '', legacy: true }],
    ['nothing encrypted', { passphrase, args: ['-keypbe', 'NONE', '-certpbe', 'NONE'] }],
    ['no MAC', { passphrase, args: ['-nomac'] }],
    ['certificates as they are', { passphrase, args: ['-certpbe', 'NONE'] }],
  ];
  for (const [says, options] of rows) {
    const body = makePkcs12(dir, whole, options);
    const word = options.passphrase === '' ? undefined : options.passphrase;
    assert.deepEqual((await imported([body], word)).texts, [combined], says);
  }
  const ofRsa = makePkcs12(dir, rsa.combined, { passphrase: 'x', legacy: true });
  assert.deepEqual((await imported([ofRsa], 'x')).texts, [rsa.combined]);
});

test('an RSA and an elliptic certificate of the same names are a pair, the elliptic first', async () => {
  const { texts } = await imported([rsa.combined, combined]);

  assert.deepEqual(texts, [combined, rsa.combined]);
});

test('renewals that kept the key: the one that ends last', async () => {
  const chain = await certifyChain();
  const { keys } = chain.leaf;
  const later = await certify({
    subject: 'CN=later',
    issuer: chain.intermediate,
    dnsNames: ['a.test'],
    keys,
    notAfter: inDays(60),
  });

  const { texts, notes } = await imported([chain.combined, later.pem]);

  assert.deepEqual(texts, [later.pem + chain.intermediate.pem + chain.leaf.keyPem]);
  assert.match(notes.join(), /f1: a\.test has the same key and ends earlier/);
});

test('a root that issues leaves itself needs no intermediate, if it is there', async () => {
  const root = await certify({ subject: 'CN=house root', isCa: true });
  const leaf = await certify({ subject: 'CN=a.test', issuer: root, dnsNames: ['a.test'] });

  const { texts, certificates } = await imported([leaf.pem + leaf.keyPem, root.pem]);

  assert.deepEqual(texts, [leaf.pem + leaf.keyPem]);
  assert.equal(certificates[0]?.isIssuedByRoot, true);
  await assert.rejects(
    imported([leaf.pem + leaf.keyPem]),
    /the intermediate certificate is missing: wanted the one of CN=house root/,
  );
});

const { root: selfSigned } = await certifyChain();
const noNames = await certifyChain({ leaf: { subject: 'CN=old.test', dnsNames: [] } });
const big = Buffer.alloc(MAX_IMPORT_BYTES + 1, 'x');
const REFUSED: [says: string, files: (string | Buffer)[], wanted: RegExp, passphrase?: string][] = [
  ['no key', [leafPem + intermediatePem], /^ERR_PEM_KEY wanted the private key of shop\.test/],
  ['only a key', [keyPem], /^ERR_IMPORT .*saw keys only/],
  [
    'the key of another certificate',
    [leafPem + intermediatePem, foreign.keyPem],
    /^ERR_PEM_KEY_MISMATCH the private key in f2 belongs to none/,
  ],
  [
    'no intermediate',
    [leafPem + keyPem],
    /^ERR_PEM_CHAIN the intermediate certificate is missing: wanted the one of CN=pemfleet test intermediate, which issued shop\.test; saw no certificate of a CA/,
  ],
  [
    'the intermediate of another CA',
    [leafPem + keyPem + other.intermediatePem],
    /^ERR_PEM_CHAIN .*saw CN=another intermediate/,
  ],
  ['self-signed', [selfSigned.pem + selfSigned.keyPem], /^ERR_PEM_CHAIN .*is self-signed/],
  ['common name only', [noNames.combined], /^ERR_PEM_NAMES CN=old\.test has no subjectAltName/],
  [
    'two certificates',
    [combined, foreign.combined],
    /^ERR_IMPORT wanted one certificate, .*shop\.test \(ec256\), other\.test \(ec256\)/,
  ],
  [
    'an encrypted key without a passphrase',
    [encrypted, leafPem],
    /^ERR_IMPORT f1, line 1: the private key is encrypted: .*--passphrase-file/,
  ],
  ['a wrong passphrase', [encrypted, leafPem], /^ERR_IMPORT f1, line 1: the passphrase does not open/, 'x'],
  [
    'an old form, a wrong passphrase',
    [oldEncrypted, leafPem],
    /^ERR_IMPORT f1, line 1: the passphrase does not open/,
    'x',
  ],
  [
    'a block without an end',
    [leafPem, keyPem.slice(0, 100)],
    /^ERR_IMPORT f2, line 1: .*is the file cut off/,
  ],
  [
    'a block within another',
    [leafPem.replace(/-----END.*\n/, '') + keyPem],
    /^ERR_IMPORT f1, line 1: .*has no end/,
  ],
  [
    'a damaged certificate',
    [leafPem.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA')],
    /^ERR_IMPORT f1, line 1: the certificate .* cannot be parsed/,
  ],
  [
    'a key for SSH',
    ['-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n'],
    /this is a key for SSH/,
  ],
  ['PKCS#7', ['-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n'], /openssl pkcs7 -print_certs/],
  [
    'a request',
    ['-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n'],
    /saw CERTIFICATE REQUEST, and neither/,
  ],
  ['an empty file', [''], /f1 is empty/],
  ['something else', ['hello'], /wanted PEM, DER or PKCS#12, saw something else/],
  ['half a PKCS#12', [Buffer.from('3082100002010330', 'hex')], /cut off or damaged/, 'x'],
  ['too much', [big], /wanted at most 1048576 bytes, saw 1048577 or more/],
];

test('what cannot be imported says what was wanted and what was there, and nothing of a key', async () => {
  for (const [says, files, wanted, word] of REFUSED) {
    const error: unknown = await imported(files, word).then(
      () => new Error('was taken'),
      (reason: unknown) => reason,
    );
    const text = `${codeOf(error)} ${messageOf(error)}`;
    assert.match(text, wanted, says);
    for (const line of base64Lines([keyPem, encrypted, sec1].join(''))) assert.ok(!text.includes(line), says);
  }
});

test('PKCS#12: a wrong passphrase, none, two certificates, more rounds than anybody writes', async (t) => {
  const dir = tempDir(t);
  const body = makePkcs12(dir, combined, { passphrase });
  await assert.rejects(imported([body], 'x'), /f1: the passphrase does not open it/);
  await assert.rejects(imported([body]), /f1 is encrypted: give its passphrase with --passphrase-file/);
  const legacy = makePkcs12(dir, combined, { passphrase, legacy: true });
  await assert.rejects(imported([legacy], 'x'), /f1: the passphrase does not open it/);
  const both = [body, makePkcs12(dir, foreign.combined, { passphrase })];
  await assert.rejects(imported(both, passphrase), /wanted one certificate/);
  // macData stands last, with the rounds at its end: 2048.
  const mac =
    [...body.keys()].findLast(
      (at) => body[at] === 0x30 && body[at + 1] === body.length - at - 2 && body.length - at > 60,
    ) ?? 0;
  assert.deepEqual([...body.subarray(-4)], [2, 2, 8, 0]);
  const more = Buffer.concat([body.subarray(0, -4), Buffer.from([2, 4, 0x7f, 0xff, 0xff, 0xff])]);
  more.writeUInt16BE(more.readUInt16BE(2) + 2, 2);
  more.writeUInt8(more.readUInt8(mac + 1) + 2, mac + 1);
  await assert.rejects(imported([more], passphrase), /wanted at most 5000000 iterations, saw 2147483647/);
});

const parsed = (bytes: string) => forge.asn1.fromDer(bytes, { strict: false, parseAllBytes: false });
/** 2^31 - 1 rounds in place of 2048. */
const withMore = (tree: Asn1): Asn1 => {
  const { value } = tree;
  if (typeof value !== 'string') return { ...tree, value: value.map(withMore) };
  return tree.type === 2 && value === '\x08\x00' ? { ...tree, value: '\x7f\xff\xff\xff' } : tree;
};

test('an encrypted private key: more rounds than anybody writes are refused at once', async () => {
  const der = forge.asn1.toDer(withMore(parsed(derOf(encrypted).toString('latin1')))).getBytes();
  const lines =
    Buffer.from(der, 'latin1')
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  const pem = encrypted.replace(/\n[\s\S]+\n(?=-----END)/, `\n${lines.join('\n')}\n`);
  assert.notEqual(pem, encrypted);

  const taken = imported([leafPem + intermediatePem, pem], passphrase);

  await assert.rejects(taken, /f2, line 1: wanted at most 5000000 iterations, saw 2147483647/);
});

test('PKCS#12 without a MAC: more rounds than anybody writes in an encrypted part are refused at once, too', {
  timeout: 20_000,
}, async (t) => {
  const { asn1 } = forge;
  const [version, safe] = parsed(makePkcs12(tempDir(t), combined, { passphrase }).toString('latin1'))
    .value as [Asn1, { value: [Asn1, { value: [{ value: string }] }] }];
  const [octets] = safe.value[1].value;
  octets.value = asn1.toDer(withMore(parsed(octets.value))).getBytes();
  const pfx = { ...parsed('\x30\x00'), value: [version, safe as unknown as Asn1] };
  const body = Buffer.from(asn1.toDer(pfx).getBytes(), 'latin1');

  await assert.rejects(imported([body], passphrase), /f1: wanted at most 5000000 iterations, saw 2147483647/);
});

test('an expired intermediate gives way to a valid one of the same key', async () => {
  const { root, intermediate, leaf } = await certifyChain({
    intermediate: { notAfter: inDays(-1), notBefore: inDays(-9) },
  });
  const valid = await certify({
    subject: intermediate.subject,
    issuer: root,
    isCa: true,
    keys: intermediate.keys,
  });

  const { texts } = await imported([leaf.pem + leaf.keyPem + intermediate.pem + valid.pem]);

  assert.deepEqual(texts, [leaf.pem + valid.pem + leaf.keyPem]);
});
