/** Never staging by accident: field row of the staging directory over published certificates of a trusted CA. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FleetName, fleetName, layout } from '#contract/layout.ts';
import { UntrustedIssuer } from '../../../../lambda/acme/problem.ts';
import { readCaBudget } from '../../../../lambda/ca/budget.ts';
import { afterFailure } from '../../../../lambda/order/back-off.ts';
import { createOrderRecord } from '../../../../lambda/order/record.ts';
import { isFailing } from '../../../../lambda/outcome.ts';
import { runPass } from '../../../../lambda/pass/run-pass.ts';
import { trustedLines } from '../../../../lambda/status/trusted-lines.ts';
import { TrustedCertificates } from '../../../../lambda/trusted/in-force.ts';
import { checkIssuer } from '../../../../lambda/trusted/refused-ca.ts';
import { entryFor } from '../../../support/agent/publish.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import {
  DIRECTORY_URL,
  fleet,
  makeConfig,
  makeEntry,
  makeRecord,
  makeSpec,
  named,
} from '../../../support/issuer/documents.ts';
import { passOver } from '../../../support/issuer/pass.ts';
import { readPublished, testPublisher, testSigning } from '../../../support/issuer/signing.ts';
import { createPki } from '../../../support/parts/pki.ts';

const pki = await createPki();
const STAGING = 'https://acme-staging-v02.api.letsencrypt.org/directory';
const TRUSTED = 'https://ca.test/directory';
const PRIVATE = 'https://private.test/directory';

interface Staging {
  replaceTrusted?: boolean;
  inForce?: boolean;
  isTrusted?: boolean;
  names?: string[];
  /** Directory that is configured. */
  directoryUrl?: string;
  fallback?: string[];
}

/** @param from directory of the CA that has issued what is published; the roots that browsers trust are those of `pki` */
async function stage(from: string, options: Staging = {}) {
  const {
    replaceTrusted = false,
    inForce = true,
    isTrusted = true,
    names = ['a.test'],
    fallback = [],
  } = options;
  const bucket = memoryBucket();
  const publish = async (name: string, of: FleetName, directoryUrl: string) => {
    const { combined } = await pki.issue({ names });
    const issued = { directoryUrl, accountUrl: 'https://ca.test/account/1' };
    const entry = makeEntry({ ...entryFor(combined, names), issued });
    const sha256 = entry.pems[0]?.sha256 ?? '';
    await testPublisher(bucket, of).publish(named(name), entry, [{ sha256, text: combined }]);
    return layout.pem(of, named(name), sha256);
  };
  const key = await publish('a.test', fleet, from);
  const trustedRoots = isTrusted ? [pki.rootPem] : [];
  const { passFor } = passOver(bucket, { trustedRoots });
  const acme = {
    directoryUrl: options.directoryUrl ?? STAGING,
    termsOfServiceAgreed: true,
    ...(replaceTrusted && { replaceTrusted }),
  };
  const others = fallback.map((directoryUrl) => ({ directoryUrl, termsOfServiceAgreed: true }));
  const now = () => (inForce ? new Date() : new Date('2126-01-01T00:00:00Z'));
  const configOf = (certificate: object) => makeConfig([certificate], { acme, fallback: others });
  const pass = (passOptions = {}, certificate: object = { identifiers: ['a.test'] }) => {
    const base = passFor([certificate], passOptions);
    return runPass({ ...base, config: configOf(certificate), timing: { ...base.timing, now } });
  };
  const plan = async (planOptions = {}, certificate?: object) => {
    const { outcomes } = await pass({ dryRun: true, ...planOptions }, certificate);
    return outcomes[0];
  };
  return { bucket, config: configOf({ identifiers: ['a.test'] }), configOf, publish, pass, plan, key };
}

test('nothing is ordered from staging in the place of a certificate that browsers trust, and that fails until it is meant', async () => {
  const { plan } = await stage(TRUSTED);

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

for (const [says, certificate] of [
  ['another handle', { name: 'web', identifiers: ['a.test'] }],
  ['one name of several', { name: 'web', identifiers: ['new.test', 'a.test'] }],
  ['another fleet', { identifiers: ['a.test'], fleets: ['edge2'] }],
  ['another handle and another fleet', { name: 'web', identifiers: ['a.test'], fleets: ['edge2'] }],
] as const) {
  test(`whatever the certificate is called: staging is not asked for ${says}`, async () => {
    const { plan } = await stage(TRUSTED);

    assert.equal((await plan({}, certificate))?.reason, 'trusted-in-force');
  });
}

test('a trusted wildcard covers its names, and a name that nothing trusted covers is ordered', async () => {
  const { plan } = await stage(TRUSTED, { names: ['*.a.test'] });

  const [covered, other] = [
    await plan({}, { name: 'web', identifiers: ['x.a.test'] }),
    await plan({}, { name: 'web', identifiers: ['x.y.a.test'] }),
  ];

  assert.deepEqual([covered?.reason, other?.reason], ['trusted-in-force', 'missing']);
});

test('staging is not asked in the place of a trusted CA that fails, forced or not, and is where nothing trusted is in force', async () => {
  for (const [inForce, expected] of [
    [true, 'retry'],
    [false, 'ca-failing'],
  ] as const) {
    const { bucket, plan } = await stage(TRUSTED, { directoryUrl: TRUSTED, fallback: [STAGING], inForce });
    const lastFailure = { at: noon, code: 'ERR_ACME_PROBLEM', message: '', isCaFault: true };
    const record = makeRecord({ directoryUrl: TRUSTED, failures: 2, lastFailure });
    await createOrderRecord(bucket, named('a.test'), record);

    assert.deepEqual([(await plan())?.reason, (await plan({ force: true }))?.reason], [expected, expected]);
  }
});

test('after a fallback CA has issued what may not be published, the first CA is asked again at once, and the other never more', async () => {
  const { bucket, plan } = await stage(TRUSTED, { directoryUrl: TRUSTED, fallback: [PRIVATE] });
  const failure = afterFailure(makeRecord(), new UntrustedIssuer('not trusted'), noon, 0);
  const record = makeRecord({ directoryUrl: PRIVATE, failuresElsewhere: 2, ...failure });
  await createOrderRecord(bucket, named('a.test'), record);

  const outcome = await plan();

  assert.deepEqual(failure.notBefore, noon);
  assert.deepEqual([outcome?.result, outcome?.reason], ['planned', 'ca-failing']);
  const atFirst = {
    directoryUrl: TRUSTED,
    failures: 2,
    lastFailure: { ...record.lastFailure, code: 'ERR', isCaFault: true },
  };
  await bucket.delete(layout.order(named('a.test')));
  await createOrderRecord(bucket, named('a.test'), makeRecord(atFirst as object));
  assert.equal((await plan())?.reason, 'ca-failing', 'nothing is known of the second CA');
  const budget = await readCaBudget({ bucket, now: () => new Date(), log: () => undefined });
  budget.recordUntrusted(PRIVATE);
  await budget.save();
  assert.equal((await plan())?.reason, 'retry');
});

test('what has been issued is judged against every fleet and name, except what the same CA serves there already', async () => {
  const { bucket, config } = await stage(TRUSTED);
  const { combined } = await (await createPki()).issue({ names: ['a.test'] });
  const read = await readPublished(bucket, fleet);
  const now = () => new Date();
  const trustedRoots = [pki.rootPem];
  const trusted = new TrustedCertificates({ bucket, trustedRoots, now }, new Map([[fleet, read]]));
  const words = { config, options: {}, trusted, trustedRoots, now };
  const other = { spec: makeSpec({ identifiers: ['a.test'] }), published: undefined };
  const own = read?.manifest.certificates[named('a.test')];

  await assert.rejects(checkIssuer(words, other, PRIVATE, [combined]), { code: 'ERR_CA_UNTRUSTED' });
  await checkIssuer(words, { ...other, published: own }, TRUSTED, [combined]);
  await checkIssuer(words, { spec: makeSpec({ identifiers: ['b.test'] }), published: undefined }, PRIVATE, [
    combined,
  ]);
  await checkIssuer({ ...words, options: { replaceTrusted: true } }, other, PRIVATE, [combined]);
});

test('a renamed fleet gets what is in force, though nothing may be ordered', async () => {
  const { bucket, pass } = await stage(TRUSTED);
  const edge = fleetName.parse('edge2');

  const { outcomes } = await pass({}, { identifiers: ['a.test'], fleets: ['edge2'] });

  assert.deepEqual([outcomes[0]?.result, outcomes[0]?.reason], ['deferred', 'trusted-in-force']);
  const read = await readPublished(bucket, edge);
  assert.deepEqual(Object.keys(read?.manifest.certificates ?? {}), ['a.test']);
});

test('a PEM that the bucket has lost is served all the same: its CA says whether browsers trust it', async () => {
  for (const [from, result] of [
    ['https://acme-v02.api.letsencrypt.org/directory', 'deferred'],
    [TRUSTED, 'planned'],
  ] as const) {
    const { bucket, plan, key } = await stage(from);
    await bucket.delete(key);

    assert.equal((await plan())?.result, result, from);
  }
});

test('a CA that is in no table is remembered as one that browsers trust: what the bucket has lost of it stays in force', async () => {
  const { bucket, plan, key } = await stage(TRUSTED);
  const budget = await readCaBudget({ bucket, now: () => new Date(), log: () => undefined });
  budget.recordTrust(TRUSTED, true);
  await budget.save();
  await bucket.delete(key);

  assert.equal((await plan())?.reason, 'trusted-in-force');
});

for (const [says, options] of [
  ['acme.replaceTrusted says that it is meant', { replaceTrusted: true }],
  ['browsers do not trust what is in force either', { isTrusted: false }],
  ['what was in force has expired', { inForce: false }],
] as const) {
  test(`staging is asked where ${says}`, async () => {
    const { plan } = await stage(TRUSTED, options);

    assert.equal((await plan())?.result, 'planned');
  });
}

test('pemfleet status says that nobody renews it', async () => {
  const { bucket, config } = await stage(TRUSTED);
  const source = { bucket, keys: testSigning, trustedRoots: [pki.rootPem], now: new Date() };
  const ask = (acme: object) =>
    trustedLines({ ...source, config: { ...config, acme: { ...config.acme, ...acme } } });

  const [said, ...others] = await ask({});

  assert.deepEqual([said?.level, said?.code, others], ['wrong', 'trusted-in-force', []]);
  assert.match(said?.text ?? '', /^a\.test: not renewed: ERR_CA_UNTRUSTED .*is a staging environment/);
  assert.deepEqual(await ask({ replaceTrusted: true }), []);
  assert.deepEqual(await ask({ directoryUrl: TRUSTED }), []);
});

test('pemfleet status says so of a CA that has issued what was not published, unless another one is configured', async () => {
  const { bucket, config } = await stage(TRUSTED, { directoryUrl: PRIVATE });
  const lastFailure = { at: noon, code: 'ERR_CA_UNTRUSTED', message: '', isCaFault: false };
  await createOrderRecord(
    bucket,
    named('a.test'),
    makeRecord({ directoryUrl: PRIVATE, failures: 1, lastFailure }),
  );
  const source = { bucket, keys: testSigning, trustedRoots: [pki.rootPem], now: new Date() };

  const [said] = await trustedLines({ ...source, config });

  assert.match(said?.text ?? '', /private\.test\/directory issues what browsers do not trust/);
  const withFallback = { ...config, fallback: [{ ...config.acme, directoryUrl: DIRECTORY_URL }] };
  assert.deepEqual(await trustedLines({ ...source, config: withFallback }), []);
});

test('staging renews what staging has issued', async () => {
  const { plan } = await stage(STAGING);

  assert.deepEqual((await plan({ force: true }))?.result, 'planned');
});
