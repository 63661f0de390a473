/** Each mistake in pemfleet.yaml stops the synthesis with its path and what to do, and nothing is deployed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '#common/config-error.ts';
import { pemfleetConfigOf, readPemfleetConfig } from '../../cdk/index.ts';
import { checkConfig } from '../../lambda/config/config.ts';
import { tempDir } from '../support/temp-dir.ts';
import { thrownBy } from '../support/thrown-by.ts';
import { acme, small } from './stacks.ts';

const one = { identifiers: ['www.example.com'] };
const certificate = (changes: object) => ({ ...small, certificates: [{ ...one, ...changes }] });
const withAcme = (changes: object) => ({ ...small, acme: { ...acme, ...changes } });
const withZone = (zone: object) => ({ ...small, dns: { hostedZones: [zone] } });

const MISTAKES: readonly [says: string, document: unknown, path: string, fix: RegExp][] = [
  ['nothing', null, '(whole file)', /object/],
  ['a list', [small], '(whole file)', /object/],
  ['a key with a typo', { ...small, certificats: [] }, '(whole file)', /certificats/],
  ['no CA', { ...small, acme: undefined }, 'acme', /object/],
  [
    'a CA that nobody knows',
    withAcme({ directoryUrl: 'lets-encrypt' }),
    'acme.directoryUrl',
    /or one of letsencrypt/,
  ],
  ['a CA without TLS', withAcme({ directoryUrl: 'http://ca.test/' }), 'acme.directoryUrl', /https/],
  [
    'terms that were not read',
    withAcme({ termsOfServiceAgreed: false }),
    'acme.termsOfServiceAgreed',
    /then agree/,
  ],
  [
    'a contact without mailto:',
    withAcme({ contact: ['a@example.com'] }),
    'acme.contact[0]',
    /wanted mailto:/,
  ],
  ['a CA twice', { ...small, fallback: [acme] }, 'fallback[0].directoryUrl', /listed twice/],
  ['a challenge that there is not', { ...small, challenge: 'dns-02' }, 'challenge', /dns-01/],
  [
    'a wildcard by HTTP-01',
    { ...certificate({ identifiers: ['*.example.com'] }), challenge: 'http-01' },
    'certificates[0].identifiers[0]',
    /needs challenge: dns-01/,
  ],
  [
    'an address by DNS-01',
    certificate({ identifiers: ['192.0.2.1'] }),
    'certificates[0].identifiers[0]',
    /needs challenge: http-01/,
  ],
  ['no certificates', { ...small, certificates: [] }, 'certificates', />=1/],
  ['no names', certificate({ identifiers: [] }), 'certificates[0].identifiers', />=1/],
  [
    'a name twice',
    certificate({ identifiers: ['a.test', 'a.test'] }),
    'certificates[0].identifiers[1]',
    /listed twice/,
  ],
  [
    'a name with a path',
    certificate({ identifiers: ['example.com/a'] }),
    'certificates[0].identifiers[0]',
    /is no DNS name/,
  ],
  [
    'two certificates of one name',
    { ...small, certificates: [one, one] },
    'certificates[1].name',
    /set a name of its own/,
  ],
  ['a weak key', certificate({ keyType: 'rsa1024' }), 'certificates[0].keyType', /rsa2048/],
  ['a fleet that is a path', certificate({ fleets: ['a/b'] }), 'certificates[0].fleets[0]', /must match/],
  ['must-staple', certificate({ mustStaple: true }), 'certificates[0].mustStaple', /must not be set/],
  [
    'a zone by its name',
    withZone({ domain: 'example.com', hostedZoneId: 'example.com' }),
    'dns.hostedZones[0].hostedZoneId',
    /wanted the id/,
  ],
  [
    'a role that is a name',
    withZone({ domain: 'example.com', roleArn: 'dns' }),
    'dns.hostedZones[0].roleArn',
    /wanted the ARN/,
  ],
  [
    'a resolver by its name',
    { ...small, dns: { resolvers: ['dns.google'] } },
    'dns.resolvers[0]',
    /IP address/,
  ],
  [
    'a directory as the bucket',
    { ...small, bucket: 'file:///var/lib/pemfleet' },
    'bucket',
    /leave the key out/,
  ],
  ['a prefix of a bucket', { ...small, bucket: 's3://certificates/prefix' }, 'bucket', /s3:\/\/<name>/],
  ['a pass a day', { ...small, wakeMinutes: 1440 }, 'wakeMinutes', /15 to 60/],
  ['a pass every five minutes', { ...small, wakeMinutes: 5 }, 'wakeMinutes', /15 to 60/],
  [
    'a pass an hour for certificates of six hours',
    { ...withAcme({ directoryUrl: 'https://ca.example/dir', lifetime: '6h' }), wakeMinutes: 60 },
    'wakeMinutes',
    /lifetime of 6 h: wanted a pass every 15 min or more often, saw every 60 min/,
  ],
  [
    'certificates of two hours',
    withAcme({ directoryUrl: 'https://ca.example/dir', lifetime: '2h' }),
    'wakeMinutes',
    /every 5 min or more often, saw every 15 min, the least on AWS/,
  ],
  ['trust anchors that are not there', withAcme({ caFile: 'absent.pem' }), 'acme.caFile', /there is no file/],
];

for (const [says, document, path, fix] of MISTAKES) {
  test(`configuration: ${says} is refused at ${path}`, () => {
    const { message } = refusal(() => pemfleetConfigOf(document, 'etc/pemfleet.yaml'));

    assert.match(message, /^etc\/pemfleet\.yaml was refused:\n/);
    const line = message.split('\n').find((text) => text.startsWith(`  ${path}: `));
    assert.match(line ?? `no line for ${path} in ${message}`, fix);
  });
}

test('configuration: a missing file is refused, with what to do', () => {
  assert.match(
    refusal(() => readPemfleetConfig('/nonexistent/pemfleet.yaml')).message,
    /^no configuration at \/nonexistent\/pemfleet\.yaml \(ENOENT\): write one, or name it with -c config=FILE$/,
  );
});

test('configuration: the app prints a mistake in plain lines and synthesizes nothing', (t) => {
  const directory = tempDir(t);
  const file = join(directory, 'pemfleet.yaml');
  writeFileSync(file, 'acme: { directoryUrl: letsencrypt }\ncertificates: []\n');
  const app = fileURLToPath(new URL('../../cdk/app.ts', import.meta.url));
  const env = { ...process.env, CDK_OUTDIR: directory, CDK_CONTEXT_JSON: JSON.stringify({ config: file }) };

  const { status, stderr } = spawnSync('node', ['--import', 'tsx', app], { env, encoding: 'utf8' });

  assert.equal(status, 78);
  assert.equal(
    stderr.replaceAll(directory, ''),
    `ERR_CONFIG /pemfleet.yaml was refused:
  /pemfleet.yaml:1:1: acme.termsOfServiceAgreed: is missing: wanted true: read the terms of service of the CA, then agree. You agree to the terms of service of the CA.
  /pemfleet.yaml:2:15: certificates: wanted at least one entry, saw an empty list
`,
  );
});

test('configuration: what ships is what the issuer reads, including defaults', () => {
  const { config, bucketName } = pemfleetConfigOf({ ...small, bucket: 's3://my-certificates' });

  assert.equal(bucketName, 'my-certificates');
  assert.deepEqual(checkConfig('pemfleet.json', JSON.parse(JSON.stringify(config))), config);
});

test('configuration: the HMAC key of an account does not ship', () => {
  const externalAccountBinding = { kid: 'abc', hmacKeyFile: 'eab.key' };
  const { config } = pemfleetConfigOf({
    ...withAcme({ externalAccountBinding }),
    fallback: [{ ...acme, directoryUrl: 'google', externalAccountBinding }],
  });

  assert.equal(JSON.stringify(config).includes('eab.key'), false);
});

function refusal(work: () => unknown): ConfigError {
  return thrownBy(ConfigError, work);
}
