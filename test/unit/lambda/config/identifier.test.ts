/** Identifiers that no CA would take, or that a program on the way would take for something else. */
import { type Mistake, testMistakes, withNames } from '../../../support/issuer/config.ts';

const many = Array.from({ length: 101 }, (_, index) => `n${index}.test`);
const label64 = 'a'.repeat(64);

const MISTAKES: Mistake[] = [
  ['a certificate without names', withNames(), 'certificates[0].identifiers', /at least one entry/],
  [
    'more than a hundred names',
    withNames(...many),
    'certificates[0].identifiers',
    /at most 100 entries, saw a list of 101/,
  ],
  ['a name that is a number', withNames(1), 'certificates[0].identifiers[0]', /string/],
  ['an empty name', withNames(''), 'certificates[0].identifiers[0]', /no fully qualified/],
  [
    'a single label at a public CA',
    withNames('localhost'),
    'certificates[0].identifiers[0]',
    /"localhost" is no fully qualified DNS name or IP address: only a private CA, one with caFile/,
  ],
  [
    'a wildcard of a single label',
    { ...withNames('*.internal'), challenge: 'dns-01' },
    'certificates[0].identifiers[0]',
    /no fully qualified/,
  ],
  [
    'a trailing dot',
    withNames('a.test.'),
    'certificates[0].identifiers[0]',
    /a dot at its end: wanted a\.test$/,
  ],
  ['an empty label', withNames('a..test'), 'certificates[0].identifiers[0]', /no DNS name/],
  [
    'a label that begins with a hyphen',
    withNames('-a.test'),
    'certificates[0].identifiers[0]',
    /inner hyphens/,
  ],
  ['a label of 64 letters', withNames(`${label64}.test`), 'certificates[0].identifiers[0]', /no DNS name/],
  [
    'a name of 254 letters',
    withNames(`${`${'a'.repeat(62)}.`.repeat(4)}ab`),
    'certificates[0].identifiers[0]',
    /no fully qualified/,
  ],
  [
    'a name with a space',
    withNames('a b.test'),
    'certificates[0].identifiers[0]',
    /holds several names: wanted each for itself, \[a, b\.test\]$/,
  ],
  [
    'a URL',
    withNames('https://a.test/'),
    'certificates[0].identifiers[0]',
    /is a URL: wanted the name alone, a\.test$/,
  ],
  ['a name with a path', withNames('a.test/path'), 'certificates[0].identifiers[0]', /no DNS name/],
  [
    'a name with a full-width path',
    withNames('a.test／path'),
    'certificates[0].identifiers[0]',
    /no DNS name/,
  ],
  ['a name with a query', withNames('a.test?x'), 'certificates[0].identifiers[0]', /no DNS name/],
  ['a name with a fragment', withNames('a.test#x'), 'certificates[0].identifiers[0]', /no DNS name/],
  ['a name with a percent escape', withNames('%61.test'), 'certificates[0].identifiers[0]', /no DNS name/],
  [
    'a name with a port',
    withNames('a.test:443'),
    'certificates[0].identifiers[0]',
    /has a port: wanted a\.test;/,
  ],
  [
    'a name that a browser takes for an address',
    withNames('127.1'),
    'certificates[0].identifiers[0]',
    /no DNS name/,
  ],
  ['an IPv6 address with a zone', withNames('fe80::1%eth0'), 'certificates[0].identifiers[0]', /zone/],
  [
    'an IPv6 address in brackets',
    withNames('[2001:db8::1]'),
    'certificates[0].identifiers[0]',
    /has brackets: wanted 2001:db8::1$/,
  ],
  [
    'a wildcard where HTTP-01 is to prove it',
    withNames('*.a.test'),
    'certificates[0].identifiers[0]',
    /needs challenge: dns-01/,
  ],
  [
    'an IP address where DNS-01 is to prove it',
    { ...withNames('192.0.2.1'), challenge: 'dns-01' },
    'certificates[0].identifiers[0]',
    /needs challenge: http-01/,
  ],
  ['a wildcard within', withNames('www.*.test'), 'certificates[0].identifiers[0]', /whole first label/],
  [
    'a wildcard of a part of a label',
    withNames('w*.a.test'),
    'certificates[0].identifiers[0]',
    /whole first label/,
  ],
  ['a wildcard twice', withNames('*.*.test'), 'certificates[0].identifiers[0]', /whole first label/],
  [
    'a name that a wildcard covers',
    withNames('*.a.test', 'b.a.test'),
    'certificates[0].identifiers[1]',
    /covered by \*\.a\.test/,
  ],
  [
    'a name twice',
    withNames('a.test', 'b.test', 'A.test'),
    'certificates[0].identifiers[2]',
    /a\.test is listed twice/,
  ],
  [
    'an address twice, in two notations',
    withNames('2001:db8::1', '2001:DB8:0::1'),
    'certificates[0].identifiers[1]',
    /twice/,
  ],
  ['an address that gives no file name', withNames('::1'), 'certificates[0].name', /set a name/],
];

testMistakes(MISTAKES);
