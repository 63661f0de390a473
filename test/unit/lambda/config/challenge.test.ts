/** Challenges by certificate: one word, or a list in order of preference; a default, and exceptions from it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usedChallenges } from '../../../../lambda/config/config.ts';
import { parseConfig } from '../../../../lambda/config/yaml.ts';
import { letsencrypt, testMistakes, whole, withCertificate } from '../../../support/issuer/config.ts';

const parse = (changes: object) => parseConfig('f', JSON.stringify({ ...whole, ...changes }));
const challenges = (changes: object) => parse(changes).certificates.map(({ challenge }) => challenge);
const www = { identifiers: ['www.a.test'] };
const wild = { identifiers: ['*.a.test'] };
const address = { identifiers: ['192.0.2.1'] };

test('a certificate has its own challenge, a list of them, or the default', () => {
  const certificates = [
    { ...www, name: 'a', challenge: 'dns-01' },
    { ...www, name: 'b', challenge: ['dns-persist-01', 'http-01'] },
    { ...www, name: 'c' },
  ];

  const seen = challenges({ certificates });

  assert.deepEqual(seen, [['dns-01'], ['dns-persist-01', 'http-01'], ['http-01']]);
});

test('of a default of several, a certificate has those that can prove all of its names', () => {
  const seen = challenges({ challenge: ['dns-01', 'http-01'], certificates: [www, wild, address] });

  assert.deepEqual(seen, [['dns-01', 'http-01'], ['dns-01'], ['http-01']]);
});

test('what was parsed is accepted again: the Lambda gets it as JSON', () => {
  const config = parse({ challenge: ['dns-01', 'http-01'], certificates: [www, wild, address] });

  assert.deepEqual(parseConfig('f', JSON.stringify(config)), config);
});

test('the default is used only where a certificate has it', () => {
  const config = parse({ challenge: 'dns-01', certificates: [{ ...www, challenge: 'http-01' }] });

  assert.deepEqual([...usedChallenges(config)], ['http-01']);
});

testMistakes([
  [
    'a challenge twice',
    { ...whole, challenge: ['dns-01', 'dns-01'] },
    'challenge',
    /names a challenge twice/,
  ],
  ['no challenge', { ...whole, challenge: [] }, 'challenge', /at least one entry/],
  [
    'an unknown one',
    withCertificate({ challenge: 'tls-alpn-01' }),
    'certificates[0].challenge',
    /dns-persist/,
  ],
  [
    'a list of which one word cannot prove a wildcard',
    withCertificate({ ...wild, challenge: ['dns-01', 'http-01'] }),
    'certificates[0].identifiers[0]',
    /needs challenge: dns-01 or dns-persist-01/,
  ],
  [
    'a wildcard and an address in one certificate',
    { ...withCertificate({ identifiers: ['*.a.test', '192.0.2.1'] }), challenge: ['dns-01', 'http-01'] },
    'certificates[0].identifiers',
    /make two certificates/,
  ],
  [
    'stateless answers for several CAs, on one certificate',
    {
      ...withCertificate({ challenge: 'http-01-stateless' }),
      fallback: [{ ...letsencrypt, directoryUrl: 'google' }],
    },
    'fallback',
    /one account only/,
  ],
]);
