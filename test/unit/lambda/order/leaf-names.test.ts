import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';
import { checkOnlyOrdered } from '../../../../lambda/order/leaf-names.ts';
import { certifyChain } from '../../../support/odd-certificates.ts';
import { thrownBy } from '../../../support/thrown-by.ts';

const leafFor = async (dnsNames: string[], subject = 'CN=Example Inc.') =>
  parse((await certifyChain({ leaf: { dnsNames, subject } })).combined);

const accepted = { allowBareDomain: true };
const rows: [
  says: string,
  leaf: [string[], string?],
  ordered: string[],
  settings: object,
  refused?: RegExp,
][] = [
  ['just what was ordered', [['A.test', 'b.test']], ['a.test', 'B.test'], {}],
  ['the common name is an ordered one', [['a.test'], 'CN=a.test'], ['a.test'], {}],
  ['one more name', [['a.test', 'shop.test']], ['a.test'], {}, /saw shop\.test too.*another CA/],
  ['one more name of one label', [['a.test', 'shop']], ['a.test'], {}, /saw shop too/],
  ['one more wildcard', [['a.test', '*.a.test']], ['a.test'], {}, /saw \*\.a\.test too/],
  ['a common name that nobody ordered', [['a.test'], 'CN=shop.test'], ['a.test'], {}, /saw shop\.test too/],
  ['a bare domain', [['www.a.test', 'a.test']], ['www.a.test'], {}, /saw a\.test too.*allowBareDomain: true/],
  ['a bare domain, allowed', [['www.a.test', 'a.test']], ['www.a.test'], accepted],
  ['the bare domain of a wildcard, allowed', [['*.a.test', 'a.test']], ['*.a.test'], accepted],
  [
    'another name, where bare domains are allowed',
    [['a.test', 'www.a.test']],
    ['a.test'],
    accepted,
    /saw www\.a\.test/,
  ],
  [
    'the domain above the bare one',
    [['www.x.a.test', 'a.test']],
    ['www.x.a.test'],
    accepted,
    /saw a\.test too/,
  ],
];

for (const [says, leaf, ordered, settings, refused] of rows) {
  test(`names of a leaf that the CA delivered: ${says}: ${refused ? 'refused' : 'taken'}`, async () => {
    const pem = await leafFor(...leaf);

    const check = () => checkOnlyOrdered(pem, ordered, settings);

    if (refused === undefined) return check();
    const error = thrownBy(PemRejected, check);
    assert.equal(error.code, 'ERR_PEM_NAMES');
    assert.match(error.message, refused);
  });
}
