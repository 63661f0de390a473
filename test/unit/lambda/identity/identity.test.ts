/** Which issuer is the same issuer, and which configuration the same configuration. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConfig } from '../../../../lambda/config/config.ts';
import { configDigest } from '../../../../lambda/identity/config-digest.ts';
import { functionIdentity, machineIdentity } from '../../../../lambda/identity/identity.ts';
import { makeConfig } from '../../../support/issuer/documents.ts';

const ARN = 'arn:aws:lambda:eu-central-1:123456789012:function:pemfleet';

test('a function is its ARN, whatever alias or version was invoked', () => {
  for (const arn of [ARN, `${ARN}:live`, `${ARN}:42`]) assert.equal(functionIdentity(arn).id, ARN);
});

test('on a machine, one configuration file is one issuer, however its path is written; another file is another one', async () => {
  const [one, same, other] = await Promise.all(
    ['/etc/pemfleet/pemfleet.yaml', '/etc/pemfleet/../pemfleet/pemfleet.yaml', '/etc/other.yaml'].map(
      (file) => machineIdentity(file, {}),
    ),
  );

  assert.equal(one?.id, same?.id);
  assert.notEqual(one?.id, other?.id);
  assert.match(one?.label ?? '', /^\/etc\/pemfleet\/pemfleet\.yaml on ./);
});

test('PEMFLEET_ISSUER names an issuer whose machine changes', async () => {
  const env = { PEMFLEET_ISSUER: 'cronjob' };

  const [one, other] = await Promise.all(['/a.yaml', '/b.yaml'].map((file) => machineIdentity(file, env)));

  assert.equal(one?.id, other?.id);
  assert.equal(one?.label, 'cronjob');
});

const certificates = [
  { identifiers: ['a.test', 'b.test'], fleets: ['one', 'two'] },
  { identifiers: ['c.test'], keyTypes: ['ec256', 'rsa2048'] },
];
const base = configDigest(makeConfig(certificates));

test('order, place, pace and the spelling of defaults make no other configuration', () => {
  const [first, second] = certificates;
  const reordered = [second ?? {}, { ...first, identifiers: ['a.test', 'b.test'], fleets: ['two', 'one'] }];

  assert.equal(configDigest(makeConfig(reordered)), base);
  assert.equal(configDigest(makeConfig(certificates, { concurrency: 3, wakeMinutes: 15 })), base);
  assert.equal(configDigest(makeConfig(certificates, { bucket: 's3://elsewhere' })), base);
});

test('the file that ships to Lambda, as JSON of what was read, is the same configuration', () => {
  const read = makeConfig(certificates);

  assert.equal(configDigest(checkConfig('pemfleet.json', JSON.parse(JSON.stringify(read)))), base);
});

for (const [says, changed, settings] of [
  ['a certificate less', certificates.slice(1), {}],
  ['another fleet', [{ ...certificates[0], fleets: ['one'] }, certificates[1]], {}],
  ['another name', [{ ...certificates[0], name: 'other' }, certificates[1]], {}],
  ['another key type', [{ ...certificates[0], keyType: 'rsa2048' }, certificates[1]], {}],
  [
    'a line in crt-lists',
    [{ ...certificates[0], haproxy: { crtListOptions: ['alpn h2'] } }, certificates[1]],
    {},
  ],
  ['another CA', certificates, { acme: { directoryUrl: 'letsencrypt', termsOfServiceAgreed: true } }],
] as const) {
  test(`${says} makes another configuration`, () => {
    assert.notEqual(configDigest(makeConfig(changed as object[], settings)), base);
  });
}
