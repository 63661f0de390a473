// Rights and parts follow the challenges that certificates use, not the default alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { small, synthesize } from './stacks.ts';

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
