/** Never staging by accident: field row of the staging directory over published certificates of a trusted CA. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { isFailing } from '../../../../lambda/outcome.ts';
import { runPass } from '../../../../lambda/pass/run-pass.ts';
import { trustedLines } from '../../../../lambda/status/trusted-lines.ts';
import { entryFor } from '../../../support/agent/publish.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { fleet, makeConfig, makeEntry, named } from '../../../support/issuer/documents.ts';
import { passOver } from '../../../support/issuer/pass.ts';
import { testPublisher, testSigning } from '../../../support/issuer/signing.ts';
import { createPki } from '../../../support/parts/pki.ts';

const pki = await createPki();
const STAGING = 'https://acme-staging-v02.api.letsencrypt.org/directory';

/** @param from directory of the CA that has issued what is published; the roots that browsers trust are those of `pki` */
async function stage(from: string, { replaceTrusted = false, inForce = true, isTrusted = true } = {}) {
  const bucket = memoryBucket();
  const { combined } = await pki.issue({ names: ['a.test'] });
  const issued = { directoryUrl: from, accountUrl: 'https://ca.test/account/1' };
  const entry = makeEntry({ ...entryFor(combined, ['a.test']), issued });
  const sha256 = entry.pems[0]?.sha256 ?? '';
  await testPublisher(bucket, fleet).publish(named('a.test'), entry, [{ sha256, text: combined }]);
  const trustedRoots = isTrusted ? [pki.rootPem] : [];
  const { passFor } = passOver(bucket, { trustedRoots });
  const acme = {
    directoryUrl: STAGING,
    termsOfServiceAgreed: true,
    ...(replaceTrusted && { replaceTrusted }),
  };
  const config = makeConfig([{ identifiers: ['a.test'] }], { acme });
  const now = () => (inForce ? new Date() : new Date('2126-01-01T00:00:00Z'));
  const plan = async (options = {}) => {
    const pass = passFor([{ identifiers: ['a.test'] }], { dryRun: true, ...options });
    const { outcomes } = await runPass({ ...pass, config, timing: { ...pass.timing, now } });
    return outcomes[0];
  };
  return { bucket, config, plan, key: layout.pem(fleet, named('a.test'), sha256) };
}

test('nothing is ordered from staging in the place of a certificate that browsers trust, and that fails until it is meant', async () => {
  const { plan } = await stage('https://ca.test/directory');

  const outcome = await plan();
  const meant = await plan({ replaceTrusted: true });

  assert.deepEqual([outcome?.result, outcome?.reason], ['deferred', 'trusted-in-force']);
  assert.equal(outcome?.error?.code, 'ERR_CA_UNTRUSTED');
  assert.match(
    outcome?.error?.message ?? '',
    /staging environment.*--replace-trusted, or acme\.replaceTrusted: true/,
  );
  assert.ok(outcome && isFailing(outcome));
  assert.deepEqual([meant?.result, meant?.reason], ['planned', 'ca-changed']);
});

test('a PEM that the bucket has lost is served all the same: its CA says whether browsers trust it', async () => {
  for (const [from, result] of [
    ['https://acme-v02.api.letsencrypt.org/directory', 'deferred'],
    ['https://ca.test/directory', 'planned'],
  ] as const) {
    const { bucket, plan, key } = await stage(from);
    await bucket.delete(key);

    assert.equal((await plan())?.result, result, from);
  }
});

for (const [says, options] of [
  ['acme.replaceTrusted says that it is meant', { replaceTrusted: true }],
  ['browsers do not trust what is in force either', { isTrusted: false }],
  ['what was in force has expired', { inForce: false }],
] as const) {
  test(`staging is asked where ${says}`, async () => {
    const { plan } = await stage('https://ca.test/directory', options);

    assert.equal((await plan())?.result, 'planned');
  });
}

test('pemfleet status says that nobody renews it', async () => {
  const { bucket, config } = await stage('https://ca.test/directory');
  const source = { bucket, keys: testSigning, trustedRoots: [pki.rootPem], now: new Date() };
  const ask = (acme: object) =>
    trustedLines({ ...source, config: { ...config, acme: { ...config.acme, ...acme } } });

  const [said, ...others] = await ask({});

  assert.deepEqual([said?.level, said?.code, others], ['wrong', 'trusted-in-force', []]);
  assert.match(said?.text ?? '', /^a\.test: not renewed: ERR_CA_UNTRUSTED .*is a staging environment/);
  assert.deepEqual(await ask({ replaceTrusted: true }), []);
  assert.deepEqual(await ask({ directoryUrl: 'https://ca.test/directory' }), []);
});

test('staging renews what staging has issued', async () => {
  const { plan } = await stage(STAGING);

  assert.deepEqual((await plan({ force: true }))?.result, 'planned');
});
