// Options and filters of a crt-list line: a typo, a second line or a file that a start cannot read is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CRT_LIST_KEYWORDS,
  crtListOptionProblem,
  listingProblem,
  sniFilterProblem,
} from '#contract/crt-list.ts';

const rightOptions = [
  ...['allow-0rtt', 'no-alpn', 'no-ca-names', 'alpn h2,http/1.1', 'npn h2', 'verify required'],
  ...[
    'ca-file /etc/haproxy/ca.pem',
    'ca-file @system-ca',
    'crl-file crl.pem',
    'ca-verify-file /srv/ca/roots.pem',
  ],
  ...['ciphers ECDHE+AESGCM:!aNULL:@SECLEVEL=2', 'ciphersuites TLS_AES_128_GCM_SHA256'],
  ...[
    'curves X25519:P-256',
    'ecdhe secp384r1',
    'sigalgs ECDSA+SHA256:RSA-PSS+SHA256',
    'client-sigalgs ed25519',
  ],
  ...['ssl-min-ver TLSv1.2', 'ssl-max-ver TLSv1.3', 'ocsp-update on'],
];

test('each keyword of the list is right with its word', () => {
  assert.deepEqual(
    rightOptions.filter((option) => crtListOptionProblem(option) !== undefined),
    [],
  );
  const tried = new Set(rightOptions.map((option) => option.split(' ')[0]));
  assert.deepEqual(
    Object.keys(CRT_LIST_KEYWORDS).filter((keyword) => !tried.has(keyword)),
    [],
  );
});

const wrongOptions: [says: string, option: string, message: RegExp][] = [
  ['no keyword at all', 'banana yes', /no keyword "banana" in a crt-list line; it allows allow-0rtt, alpn, /],
  ['a typo', 'alnp h2', /no keyword "alnp"/],
  ['a typo in a long keyword', 'ssl-min-version TLSv1.2', /no keyword "ssl-min-version"/],
  ['capitals', 'ALPN h2', /no keyword "ALPN"/],
  ['a keyword of the bind', 'strict-sni', /no keyword "strict-sni"/],
  ['a property of every object', 'constructor x', /no keyword "constructor"/],
  ['nothing', '', /no keyword ""/],
  ['the key from elsewhere', 'key /etc/ssl/k.pem', /key is not allowed/],
  ['another issuer', 'acme le', /acme is not allowed/],
  ['no word', 'alpn', /wanted one word .* after alpn, saw 0 words/],
  ['two words', 'alpn h2 http/1.1', /saw 2 words: write each keyword as an option of its own/],
  ['two options in one', 'alpn h2 ssl-min-ver TLSv1.2', /an option of its own/],
  ['a word too many', 'no-alpn yes', /wanted nothing after no-alpn/],
  ['two spaces', 'alpn  h2', /wanted one word/],
  ['a value that is none', 'verify yes', /wanted none, optional, required after verify, saw "yes"/],
  ['a typo in a value', 'ssl-min-ver TLSv1,2', /saw "TLSv1,2"/],
  ['a comment', 'alpn h2#', /character/],
  ['a bracket', 'alpn h2]', /character/],
  ['a second line', 'alpn h2\n/etc/x.pem', /character/],
  ['a second command', 'alpn h2;', /character/],
  ['a NUL', 'alpn h2\0', /character/],
  ['a quote', 'alpn "h2"', /character/],
  ['a path outside', 'ca-file /etc/haproxy/../shadow', /without "\.\."/],
  ['a relative path outside', 'ca-file ../../etc/shadow', /without "\.\."/],
  ['a device', 'crl-file /dev/zero', /plain file/],
  ['a device with slashes', 'crl-file //dev/./stdin', /plain file/],
  ['a file of the kernel', 'ca-file /proc/self/environ', /plain file/],
  ['a file that a boot deletes', 'ca-file /run/ca.pem', /plain file/],
  ['another special file', 'ca-file @1/ca', /@system-ca/],
];

for (const [says, option, message] of wrongOptions) {
  test(`refused option: ${says}`, () => {
    assert.match(crtListOptionProblem(option) ?? 'nothing is wrong', message);
  });
}

test('a message holds no control character and no more than a line of what was written', () => {
  const problem = crtListOptionProblem(`\u001b[2J${'x'.repeat(5000)}`) ?? '';

  assert.match(problem, /^[\x20-\x7e…]+$/);
  assert.ok(problem.length < 400);
});

test('filters: a name, a wildcard, or one of the two with !', () => {
  for (const right of ['a.test', '*.a.test', '*', '!a.test', '!*.a.test', 'a_b.test', 'xn--bcher-kva.test']) {
    assert.equal(sniFilterProblem(right), undefined, right);
  }
  for (const wrong of [
    '',
    '!',
    '!!a',
    '!*',
    '**',
    '*a.test',
    'a.*.test',
    'a b',
    '#a',
    '[a',
    'a..b',
    'a.',
    'ä.test',
    'a;b',
  ]) {
    assert.match(sniFilterProblem(wrong) ?? 'nothing is wrong', /wanted a name/, wrong);
  }
});

test('a line names each keyword once: HAProxy would take the last', () => {
  const line = { crtListOptions: ['verify required', 'verify none'], sniFilters: [] };

  assert.match(listingProblem(line) ?? '', /crtListOptions: "verify" is there twice/);
  assert.equal(
    listingProblem({ crtListOptions: ['verify none', 'alpn h2'], sniFilters: ['a.test'] }),
    undefined,
  );
  assert.match(listingProblem({ crtListOptions: [], sniFilters: ['#'] }) ?? '', /^sniFilters: /);
});
