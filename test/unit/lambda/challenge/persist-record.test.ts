/** Records of dns-persist-01: draft-ietf-acme-dns-persist-02, and what Boulder's parser refuses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { parseIssueValue } from '../../../../lambda/challenge/issue-value.ts';
import {
  hashedAccountUri,
  persistName,
  persistProblem,
  persistValue,
} from '../../../../lambda/challenge/persist-record.ts';
import type { PersistTerms } from '../../../../lambda/challenge/solver.ts';
import { after, noon } from '../../../support/clock.ts';

const URI = 'https://ca.example/acct/123';
const PREFIX = 'https://ca.example/account-hash/';
const terms: PersistTerms = {
  issuerDomainNames: ['authority.example', 'ca.example.net'],
  accountUris: [URI],
  accountHashPrefix: undefined,
  isWildcard: false,
};
const wild = { ...terms, isWildcard: true };
const seconds = (date: Date) => Math.floor(date.getTime() / 1000);

test("draft 02 §10.2: the test vectors of a domain's digest, and of one for all domains", () => {
  const account = { accountUrl: URI, thumbprint: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' };

  const [own, any] = ['example.com', '*'].map((domain) => hashedAccountUri(PREFIX, domain, account));

  assert.equal(own, `${PREFIX}sha-256/5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw`);
  assert.equal(any, `${PREFIX}sha-256/NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug`);
});

test('the record of a wildcard is that of its base, with a policy', () => {
  assert.equal(persistName('*.example.com'), '_validation-persist.example.com');
  assert.equal(persistValue(wild), `authority.example; accounturi=${URI}; policy=wildcard`);
  assert.equal(persistValue(terms), `authority.example; accounturi=${URI}`);
});

for (const [says, values, wanted, problem] of [
  ['what we show', [persistValue(terms)], terms, undefined],
  ['what we show, for a wildcard', [persistValue(wild)], wild, undefined],
  ['another name of the CA, capitals, tabs', [`CA.Example.NET ;\tAccountURI = ${URI}`], terms, undefined],
  ['one of several', ['v=spf1 -all', 'other.example; accounturi=x', persistValue(terms)], terms, undefined],
  ['an unknown parameter', [`authority.example; foo=bar; accounturi=${URI}`], terms, undefined],
  ['WILDCARD', [`authority.example; accounturi=${URI}; policy=WildCard`], wild, undefined],
  [
    'a policy that is none',
    [`authority.example; accounturi=${URI}; policy=none`],
    wild,
    /no policy=wildcard/,
  ],
  ['no record', [], terms, /no TXT record/],
  ['another CA', ['other.example; accounturi=x'], terms, /other CAs only/],
  ['no account', ['authority.example'], terms, /no accounturi/],
  ['another account', ['authority.example; accounturi=https://ca.example/acct/9'], terms, /acct\/9/],
  ['another case', [`authority.example; accounturi=${URI.toUpperCase()}`], terms, /names the account/],
  ['a semicolon at the end', [`${persistValue(terms)};`], terms, /other CAs only/],
  ['an account twice', [`authority.example; accounturi=${URI}; accounturi=${URI}`], terms, /other CAs only/],
  [
    'persistUntil, to come',
    [`${persistValue(terms)}; persistUntil=${seconds(after(noon, DAY_MS))}`],
    terms,
    undefined,
  ],
  [
    'persistUntil, over',
    [`${persistValue(terms)}; persistUntil=${seconds(after(noon, -DAY_MS))}`],
    terms,
    /was valid until/,
  ],
  ['persistUntil, no time', [`${persistValue(terms)}; persistUntil=soon`], terms, /no UNIX time/],
] as const) {
  test(`dns-persist-01: ${says}`, () => {
    const seen = persistProblem(values, wanted, noon);

    if (problem === undefined) assert.equal(seen, undefined);
    else assert.match(seen ?? 'accepted', problem);
  });
}

test('draft 02 §4.2: a digest that cannot be computed here may be of an earlier key, so the CA judges', () => {
  const hashed = { ...terms, accountUris: [`${PREFIX}sha-256/new`], accountHashPrefix: PREFIX };

  assert.equal(
    persistProblem([`authority.example; accounturi=${PREFIX}sha-256/old`], hashed, noon),
    undefined,
  );
});

test('RFC 8659: a value of CAA', () => {
  assert.equal(parseIssueValue(';')?.issuer, '');
  assert.equal(parseIssueValue('ca.example;')?.issuer, 'ca.example');
  assert.equal(parseIssueValue('%%%%%'), undefined);
  assert.equal(parseIssueValue('ca.example; account'), undefined);
  assert.equal(parseIssueValue('a'.repeat(5000)), undefined);
});
