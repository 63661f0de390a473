/** What CAs count certificates by. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registeredDomainOf, registeredDomainsOf } from '../../../../lambda/ca/registered-domain.ts';

const DOMAINS: [identifier: string, domain: string][] = [
  ['example.com', 'example.com'],
  ['*.example.com', 'example.com'],
  ['a.b.example.co.uk', 'example.co.uk'],
  // The private part of the list counts (Boulder): each customer of a platform has a domain of its own.
  ['me.github.io', 'me.github.io'],
  ['www.me.github.io', 'me.github.io'],
  ['github.io', 'github.io'],
  // The Public Suffix List's own examples.
  ['b.test.ck', 'b.test.ck'],
  ['www.ck', 'www.ck'],
  ['a.xn--85x722f.com.cn', 'xn--85x722f.com.cn'],
  // No rule of the list: the last label is the suffix.
  ['a.b.internal', 'b.internal'],
  ['localhost', 'localhost'],
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3::7', '2001:db8:1:2::/64'],
  ['2001:db8::7', '2001:db8:0:0::/64'],
];

for (const [identifier, domain] of DOMAINS) {
  test(`${identifier} counts for ${domain}`, () => {
    assert.equal(registeredDomainOf(identifier), domain);
  });
}

test('a certificate counts once for each of its registered domains', () => {
  assert.deepEqual(registeredDomainsOf(['a.example.com', '*.example.com', 'example.net']), [
    'example.com',
    'example.net',
  ]);
});
