// Rights and parts follow the challenges that certificates use, not the default alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import { acme, small, synthesize } from './stacks.ts';

const www = { identifiers: ['www.example.com'] };
const shop = { identifiers: ['shop.example.com'] };

const has = (template: object, text: string) => JSON.stringify(template).includes(text);

for (const [says, changes, { url, route53 }] of [
  ['http-01 beside dns-01', [{ ...www, challenge: 'http-01' }, shop], { url: 1, route53: true }],
  ['http-01 as the second way', [{ ...www, challenge: ['dns-01', 'http-01'] }], { url: 1, route53: true }],
  ['the default dns-01 that nobody uses', [{ ...www, challenge: 'http-01' }], { url: 1, route53: false }],
  ['dns-persist-01 alone', [{ ...www, challenge: 'dns-persist-01' }], { url: 0, route53: false }],
] as const) {
  test(`challenges: ${says}`, () => {
    const { template } = synthesize({ ...small, certificates: changes });

    template.resourceCountIs('AWS::Lambda::Url', url);
    assert.equal(has(template.toJSON(), 'route53:ChangeResourceRecordSets'), route53);
  });
}

test('challenges: the issuer may write records only of certificates that may use dns-01', () => {
  const { template } = synthesize({ ...small, certificates: [{ ...www, challenge: 'http-01' }, shop] });

  assert.ok(has(template.toJSON(), '_acme-challenge.shop.example.com'));
  assert.ok(!has(template.toJSON(), '_acme-challenge.www.example.com'));
});

test("challenges: a fleet's HAProxy gets the lines that its own certificates need", () => {
  const certificates = [
    { ...www, challenge: 'http-01', fleets: ['edge'] },
    { ...shop, fleets: ['inner'] },
  ];
  const { pemfleet } = synthesize({ ...small, certificates }).stack;

  assert.match(pemfleet.haproxyConfig('edge'), /acme_responder/);
  assert.doesNotMatch(pemfleet.haproxyConfig('inner'), /acme_responder/);
});

const persist = { challenge: 'dns-persist-01', acme: { ...acme, accountUri: 'https://ca.example/acct/1' } };
const EXAMPLE_ZONE = { domain: 'example.com', hostedZoneId: 'Z0123456789ABCDEFGHIJ' };

test('dns-persist-01: the construct makes the records of the configured accounts, and the issuer gets no right in Route 53', () => {
  const fallback = [{ ...acme, directoryUrl: 'google', accountUri: 'https://google.example/acct/2' }];
  const certificates = [{ identifiers: ['www.sub.example.com', 'example.com', '*.example.com'] }];
  const document = { ...persist, fallback, certificates, dns: { hostedZones: [EXAMPLE_ZONE] } };

  const { template } = synthesize(document);

  const records = Object.values(template.findResources('AWS::Route53::RecordSet')).map(({ Properties }) => [
    Properties.Name,
    Properties.HostedZoneId,
    Properties.ResourceRecords,
  ]);
  const [ours, theirs] = [
    'letsencrypt.org; accounturi=https://ca.example/acct/1',
    'pki.goog; accounturi=https://google.example/acct/2',
  ];
  const zone = EXAMPLE_ZONE.hostedZoneId;
  assert.deepEqual(records, [
    ['_validation-persist.www.sub.example.com.', zone, [`"${ours}"`, `"${theirs}"`]],
    [
      '_validation-persist.example.com.',
      zone,
      [`"${ours}; policy=wildcard"`, `"${theirs}; policy=wildcard"`],
    ],
  ]);
  assert.ok(!has(template.toJSON(), 'route53:'));
});

test('dns-persist-01: a name whose zone is elsewhere is a warning with the record to publish', () => {
  const { stack } = synthesize({ ...persist, certificates: [www] });

  const warnings = Annotations.fromStack(stack).findWarning('*', Match.stringLikeRegexp('persist'));

  assert.match(
    String(warnings[0]?.entry.data),
    /publish TXT "letsencrypt\.org; accounturi=https:\/\/ca\.example/,
  );
});

test('dns-persist-01: without an account there is nothing to make yet', () => {
  const { template } = synthesize({ ...small, certificates: [{ ...www, challenge: 'dns-persist-01' }] });

  template.resourceCountIs('AWS::Route53::RecordSet', 0);
});
