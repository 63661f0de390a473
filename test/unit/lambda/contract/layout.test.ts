/** Keys belong to what a published v1 looks like: changing one strands what lies in the buckets. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  canonicalUrl,
  certificateName,
  fleetName,
  hostName,
  layout,
  pemFileName,
  TOKEN,
} from '#contract/layout.ts';

const name = certificateName.parse('www.example.com');
const fleet = fleetName.parse('edge');
const host = hostName.parse('lb1.example.com');

test('the keys of the bucket are as they were published', () => {
  const keys = {
    account: layout.account('https://acme-v02.api.letsencrypt.org/directory'),
    accountOfAnotherPort: layout.account('https://127.0.0.1:14000/dir'),
    orders: layout.orders,
    order: layout.order(name),
    renewalInfo: layout.renewalInfo,
    challenge: layout.challenge('DGyRejmCefe7v4NfDGDKfA'),
    manifest: layout.manifest(fleet),
    pem: layout.pem(fleet, name, 'a'.repeat(64)),
    statuses: layout.statuses(fleet),
    status: layout.status(fleet, host),
  };

  const text = Object.entries(keys)
    .map(([what, key]) => `${what} ${key}\n`)
    .join('');

  assert.equal(text, readFileSync('test/unit/lambda/contract/golden/layout-v1.txt', 'utf8'));
});

test('accounts of two directories of one host have keys of their own', () => {
  assert.notEqual(layout.account('https://ca.test/one'), layout.account('https://ca.test/two'));
  assert.match(layout.account('https://CA.test:14000/a/../b'), /^issuer\/account\/[a-z0-9.-]+\.json$/);
});

for (const spelling of [
  'HTTPS://ca.test/acme/~a/directory',
  'https://CA.Test/acme/~a/directory',
  'https://ca.test:443/acme/~a/directory',
  'https://ca.test/acme/b/../%7Ea/directory',
  'https://ca.test/acme/%7ea/directory#fragment',
]) {
  test(`${spelling} is the same CA in another spelling (RFC 3986 §6.2)`, () => {
    assert.equal(canonicalUrl(spelling), 'https://ca.test/acme/~a/directory');
  });
}

for (const other of [
  'https://ca.test/directory/',
  'https://ca.test/Directory',
  'https://ca.test:8443/directory',
  'https://ca.test/directory?a',
  'https://ca.test/d%2Frectory',
  'no URL',
]) {
  test(`${other} is no spelling of another URL`, () => {
    assert.equal(canonicalUrl(other), other);
  });
}

for (const good of ['www.example.com', '_.example.com', 'a', '0', 'a-b_c.d', `${'a'.repeat(200)}`]) {
  test(`a certificate may be named ${good.slice(0, 20)}`, () => {
    assert.equal(certificateName.parse(good), good);
  });
}

const HOSTILE = [
  ['nothing', ''],
  ['this directory', '.'],
  ['the directory above', '..'],
  ['a way up', '../etc/passwd'],
  ['an absolute path', '/etc/passwd'],
  ['a folder', 'a/b'],
  ['a way back', 'a/../b'],
  ['a backslash', 'a\\b'],
  ['a hidden file', '.hidden'],
  ['an option', '-rf'],
  ['capitals', 'WWW.example.com'],
  ['a space', 'a b'],
  ['a line feed', 'a\n'],
  ['a line', 'a\nb'],
  ['a NUL', 'a\0'],
  ['an escape sequence', 'a\u001b[31m'],
  ['a letter beyond ASCII', 'bücher'],
  ['a wildcard', '*.example.com'],
  ['a percent escape', 'a%2fb'],
  ['too many letters', 'a'.repeat(254)],
  ['the prototype of an object', '__proto__'],
  ['the constructor of an object', 'constructor'],
] as const;

for (const [says, value] of HOSTILE) {
  test(`no certificate, fleet or host may be named ${says}`, () => {
    for (const schema of [certificateName, fleetName, hostName]) {
      assert.equal(schema.safeParse(value).success, false);
    }
  });
}

test('the longest names still make file names that Linux takes', () => {
  const longest = (schema: { safeParse(value: string): { success: boolean } }) =>
    Array.from({ length: 300 }, (_, length) => length).findLast(
      (length) => schema.safeParse('a'.repeat(length)).success,
    ) ?? 0;
  const files = [
    layout.status(fleet, hostName.parse('a'.repeat(longest(hostName)))),
    layout.order(certificateName.parse('a'.repeat(longest(certificateName)))),
    pemFileName(certificateName.parse('a'.repeat(longest(certificateName))), 'ec256', 2),
  ].map((key) => key.split('/').at(-1) ?? '');

  assert.deepEqual(
    files.filter((file) => file.length > 255),
    [],
  );
});

test('one PEM is a file of its own, a pair takes the suffixes by which HAProxy reads it as one', () => {
  assert.equal(pemFileName(name, 'ec256', 1), 'www.example.com.pem');
  assert.equal(pemFileName(name, 'rsa2048', 1), 'www.example.com.pem');
  assert.equal(pemFileName(name, 'ec256', 2), 'www.example.com.pem.ecdsa');
  assert.equal(pemFileName(name, 'ec384', 2), 'www.example.com.pem.ecdsa');
  assert.equal(pemFileName(name, 'rsa2048', 2), 'www.example.com.pem.rsa');
});

test('RFC 8555 §8.1: a token holds base64url characters only', () => {
  const good = ['DGyRejmCefe7v4NfDGDKfA', '-_-_-_-_-_-_-_-_'];
  const bad = [
    '',
    'short',
    '../../issuer/account',
    'DGyRejmCefe7v4NfDGDKfA=',
    'DGyRejmCefe7v4NfDGDKfA\n',
    'a'.repeat(257),
  ];

  assert.deepEqual(
    [...good, ...bad].filter((token) => TOKEN.test(token)),
    good,
  );
});
