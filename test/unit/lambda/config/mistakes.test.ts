/** Each mistake is refused with the path of the culprit and a message that says what to do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  faultsIn,
  type Mistake,
  refusal,
  testMistakes,
  whole,
  withAcme,
  withCertificate,
} from '../../../support/issuer/config.ts';

const one = { identifiers: ['a.test'] };

const MISTAKES: Mistake[] = [
  ['an unknown key', { ...whole, certificats: [] }, 'certificats', /did you mean certificates\?/],
  [
    'hosts expected in a fleet that there is not',
    { ...whole, hosts: { expected: { egde: 2 } } },
    'hosts.expected.egde',
    /no certificate names this fleet; fleets: default/,
  ],
  [
    'hosts expected that are neither a number nor names',
    { ...whole, hosts: { expected: { default: 'lb1' } } },
    'hosts.expected.default',
    /a number of hosts, or a list of their names/,
  ],
  ['an unknown key of acme', withAcme({ directory: 'letsencrypt' }), 'acme.directory', /directoryUrl/],
  [
    'an unknown key of a certificate',
    withCertificate({ keytype: 'ec256' }),
    'certificates[0].keytype',
    /did you mean keyType\?/,
  ],
  [
    'a crt-list option that HAProxy does not know',
    withCertificate({ haproxy: { crtListOptions: ['alpn h2', 'banana yes'] } }),
    'certificates[0].haproxy.crtListOptions[1]',
    /no keyword "banana"/,
  ],
  [
    'a crt-list option with a typo',
    withCertificate({ haproxy: { crtListOptions: ['ssl-min-vers TLSv1.2'] } }),
    'certificates[0].haproxy.crtListOptions[0]',
    /did you mean ssl-min-ver\?/,
  ],
  [
    'a crt-list option in capitals',
    withCertificate({ haproxy: { crtListOptions: ['ALNP h2'] } }),
    'certificates[0].haproxy.crtListOptions[0]',
    /did you mean alpn\?/,
  ],
  [
    'a value with a typo',
    withCertificate({ haproxy: { crtListOptions: ['ssl-min-ver TLSv1,2'] } }),
    'certificates[0].haproxy.crtListOptions[0]',
    /saw "TLSv1,2"; did you mean TLSv1.2\?/,
  ],
  [
    'a crt-list option twice',
    withCertificate({ haproxy: { crtListOptions: ['verify required', 'verify none'] } }),
    'certificates[0].haproxy.crtListOptions',
    /twice/,
  ],
  [
    'an SNI filter that is none',
    withCertificate({ haproxy: { sniFilters: ['a.test', '#b.test'] } }),
    'certificates[0].haproxy.sniFilters[1]',
    /wanted a name/,
  ],
  ['no bucket', { ...whole, bucket: undefined }, 'bucket', /string/],
  ['an empty bucket', { ...whole, bucket: '' }, 'bucket', /wanted a bucket URL such as/],
  ['no acme', { ...whole, acme: undefined }, 'acme', /object/],
  [
    'no directory: a CA is never implied',
    withAcme({ directoryUrl: undefined }),
    'acme.directoryUrl',
    /string/,
  ],
  [
    'a directory that is no URL',
    withAcme({ directoryUrl: 'lets-encrypt' }),
    'acme.directoryUrl',
    /https:\/\/ URL or one of letsencrypt,/,
  ],
  [
    'a directory without TLS',
    withAcme({ directoryUrl: 'http://ca.test/directory' }),
    'acme.directoryUrl',
    /https/,
  ],
  [
    'a directory that is a word of JavaScript',
    withAcme({ directoryUrl: 'constructor' }),
    'acme.directoryUrl',
    /string|https/,
  ],
  [
    'a contact without mailto:',
    withAcme({ contact: ['ops@example.com'] }),
    'acme.contact[0]',
    /wanted mailto:ops@example.com/,
  ],
  ['two contacts in one', withAcme({ contact: ['mailto:a@b.test,c@d.test'] }), 'acme.contact[0]', /mailto/],
  [
    'terms of service that were not agreed to',
    withAcme({ termsOfServiceAgreed: false }),
    'acme.termsOfServiceAgreed',
    /read the terms/,
  ],
  [
    'terms of service that are not mentioned',
    withAcme({ termsOfServiceAgreed: undefined }),
    'acme.termsOfServiceAgreed',
    /read the terms/,
  ],
  [
    'terms of service agreed to by a string',
    withAcme({ termsOfServiceAgreed: 'yes' }),
    'acme.termsOfServiceAgreed',
    /must be true/,
  ],
  ['a challenge that there is not', { ...whole, challenge: 'dns-02' }, 'challenge', /http-01/],
  ['a concurrency of nothing', { ...whole, concurrency: 0 }, 'concurrency', /at least 1,/],
  ['a concurrency of too much', { ...whole, concurrency: 51 }, 'concurrency', /at most 50,/],
  ['a broken concurrency', { ...whole, concurrency: 1.5 }, 'concurrency', /a whole number/],
  ['no certificates', { ...whole, certificates: [] }, 'certificates', /at least one entry/],
  ['a certificate that is none', { ...whole, certificates: ['a.test'] }, 'certificates[0]', /object/],
  [
    'a key type that there is not',
    withCertificate({ keyType: 'rsa1024' }),
    'certificates[0].keyType',
    /rsa2048/,
  ],
  ['an empty profile', withCertificate({ profile: '' }), 'certificates[0].profile', /saw an empty text/],
  [
    'a certificate name with a slash',
    withCertificate({ name: '../a' }),
    'certificates[0].name',
    /becomes a file name/,
  ],
  [
    'a certificate name that is a word of JavaScript',
    withCertificate({ name: 'constructor' }),
    'certificates[0].name',
    /word of JavaScript/,
  ],
  ['no fleet', withCertificate({ fleets: [] }), 'certificates[0].fleets', /at least one entry/],
  [
    'a fleet with a slash',
    withCertificate({ fleets: ['edge', 'a/b'] }),
    'certificates[0].fleets[1]',
    /becomes a file name/,
  ],
  [
    'a name that is taken',
    { ...whole, certificates: [one, { identifiers: ['a.test', 'b.test'] }] },
    'certificates[1].name',
    /taken by certificates\[0\]/,
  ],
  ['a list', [whole], '(whole file)', /object/],
];

testMistakes(MISTAKES);

test('config: every mistake has a line of its own', () => {
  const config = {
    ...whole,
    bucket: 1,
    concurrency: 99,
    challenge: 'x',
    certificates: [{ identifiers: ['a..b'], keyType: 'x' }],
  };

  assert.deepEqual(
    faultsIn(refusal(JSON.stringify(config))).map(({ path }) => path),
    ['bucket', 'certificates[0].identifiers[0]', 'certificates[0].keyType', 'concurrency', 'challenge'],
  );
});
