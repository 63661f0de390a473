/** An entry that an older issuer wrote is taken over; what somebody forges who can write to `published/` only is not. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { digest } from '#contract/combined-pem.ts';
import { BucketError } from '#contract/errors.ts';
import { fleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import {
  type ForeignRules,
  fingerprintOf,
  judgeForeignEntry,
} from '../../../../lambda/upgrade/foreign-entry.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import {
  DIRECTORY_URL,
  fleet,
  makeConfig,
  makeEntry,
  makePemRef,
  makeSpec,
} from '../../../support/issuer/documents.ts';
import { type CertificateOptions, type Certified, certify } from '../../../support/odd-certificates.ts';

const now = new Date();
const ago = (ms: number) => new Date(now.getTime() - ms);
const spec = makeSpec();
const config = makeConfig([{ identifiers: ['a.test'] }]);

/** Our CA; a CA that browsers trust, and which has never issued for us; somebody's. */
const ca = async (name: string) => {
  const root = await certify({ subject: `CN=${name} root`, isCa: true });
  const intermediate = await certify({ subject: `CN=${name} intermediate`, issuer: root, isCa: true });
  return { root, intermediate };
};
const [ours, trusted, evil, twin] = await Promise.all([ca('ours'), ca('public'), ca('evil'), ca('ours')]);
const known = fingerprintOf(new X509Certificate(ours.intermediate.pem));

const leafBy = (issuer: Certified, changes: Partial<CertificateOptions> = {}) =>
  certify({ subject: 'CN=a.test', dnsNames: ['a.test'], notBefore: ago(HOUR_MS), issuer, ...changes });
const combinedOf = (leaf: Certified, ...chain: Certified[]) =>
  [leaf, ...chain].map(({ pem }) => pem).join('') + leaf.keyPem;
const ourLeaf = await leafBy(ours.intermediate);
const genuine = combinedOf(ourLeaf, ours.intermediate);

interface Attempt {
  text?: string;
  /** What lies at the PEM's key; default: `text`. */
  stored?: string | undefined;
  entry?: Partial<ManifestEntry>;
  rules?: Partial<ForeignRules>;
}

async function judge({ text = genuine, entry = {}, rules = {}, ...rest }: Attempt = {}) {
  const bucket = memoryBucket();
  const sha256 = digest(text);
  const stored = 'stored' in rest ? rest.stored : text;
  if (stored !== undefined) await bucket.put(layout.pem(fleet, spec.name, sha256), stored);
  const claimed = makeEntry({
    publishedAt: ago(MINUTE_MS).toISOString(),
    pems: [makePemRef({ sha256 })],
    ...entry,
  });
  const judgement = await judgeForeignEntry(claimed, {
    ...{ bucket, fleet, spec, config, now, own: { published: [], tombstones: [] } },
    isKnownIntermediate: async (fingerprint) => fingerprint === known,
    publicRoots: [trusted.root.pem],
    ...rules,
  });
  return 'refused' in judgement ? judgement.refused : judgement;
}

test('what an older issuer published is taken over, as configured and as its PEM is; of what it claims, nothing else', async () => {
  const lies = makePemRef({
    sha256: digest(genuine),
    serial: 'BAD',
    keyType: 'rsa512',
    notAfter: ago(0).toISOString(),
  });
  const ocsp = { sha256: 'e'.repeat(64), thisUpdate: now.toISOString(), nextUpdate: now.toISOString() };

  const judged = await judge({
    entry: {
      pems: [{ ...lies, ocsp, ocspUrl: 'http://evil.test' }],
      haproxy: { crtListOptions: ['verify none'], sniFilters: ['*'] },
      previous: { publishedAt: ago(0).toISOString(), pems: [makePemRef()] },
      issued: {
        directoryUrl: DIRECTORY_URL,
        accountUrl: 'https://ca.test/account/1',
        profile: 'evil',
        preferredChain: 'x',
      },
    },
  });

  assert.ok(typeof judged === 'object');
  const { entry, texts } = judged;
  const leaf = new X509Certificate(ourLeaf.pem);
  assert.deepEqual(JSON.parse(JSON.stringify(entry)), {
    identifiers: ['a.test'],
    publishedAt: ago(MINUTE_MS).toISOString(),
    issued: { directoryUrl: DIRECTORY_URL, accountUrl: 'https://ca.test/account/1' },
    pems: [
      {
        ...{
          sha256: digest(genuine),
          size: genuine.length,
          keyType: 'ec256',
          serial: leaf.serialNumber,
          chainLength: 2,
        },
        certId: entry.pems[0]?.certId,
        notBefore: new Date(leaf.validFrom).toISOString(),
        notAfter: new Date(leaf.validTo).toISOString(),
      },
    ],
  });
  assert.deepEqual(texts, [{ sha256: digest(genuine), text: genuine }]);
});

test('a CA that is new to the bucket counts if browsers trust it', async () => {
  const leaf = await leafBy(trusted.intermediate);

  assert.ok(typeof (await judge({ text: combinedOf(leaf, trusted.intermediate) })) === 'object');
});

const claimedUrl = (directoryUrl: string) => ({
  issued: { directoryUrl, accountUrl: 'https://ca.test/account/1' },
});
const tombstone = (sha256: string, at: Date) => ({
  ...{ reason: 'revoked', at: at.toISOString() },
  pems: [{ sha256, notAfter: ago(-30 * DAY_MS).toISOString() }],
});
const signedBy = (issuer: Certified, changes: Partial<CertificateOptions> = {}) => leafBy(issuer, changes);

/** By somebody who can write to `published/`, and has read all that lies there, private keys included. */
const ATTACKS: [says: string, attempt: () => Promise<Attempt> | Attempt, refused: RegExp][] = [
  [
    'a certificate of his own CA',
    async () => ({ text: combinedOf(await leafBy(evil.intermediate), evil.intermediate) }),
    /browsers do not trust/,
  ],
  [
    'a CA of his that is called like ours',
    async () => ({ text: combinedOf(await leafBy(twin.intermediate), twin.intermediate) }),
    /browsers do not trust/,
  ],
  [
    'his CA, and ours behind it',
    async () => ({ text: combinedOf(await leafBy(evil.intermediate), evil.intermediate, ours.intermediate) }),
    /did not issue/,
  ],
  [
    'his certificate with our chain',
    async () => ({ text: combinedOf(await leafBy(evil.intermediate), ours.intermediate) }),
    /did not issue/,
  ],
  [
    'his certificate with the chain of a CA of our name',
    async () => ({ text: combinedOf(await leafBy(twin.intermediate), ours.intermediate) }),
    /did not issue/,
  ],
  [
    'a certificate that he signs with a genuine leaf of ours, whose key he has read',
    async () => ({ text: combinedOf(await leafBy(ourLeaf), ourLeaf, ours.intermediate) }),
    /no CA/,
  ],
  [
    'a certificate that he signs with a leaf of a public CA',
    async () => {
      const his = await leafBy(trusted.intermediate, { subject: 'CN=evil.test', dnsNames: ['evil.test'] });
      return { text: combinedOf(await leafBy(his), his, trusted.intermediate) };
    },
    /no CA/,
  ],
  [
    'a certificate of a public CA for another purpose',
    async () => {
      const mail = await leafBy(trusted.intermediate, { purposes: ['1.3.6.1.5.5.7.3.4'] });
      return { text: combinedOf(mail, trusted.intermediate) };
    },
    /browsers do not trust.*purpose/,
  ],
  [
    'a CA that a public CA has made for another purpose',
    async () => {
      const mail = { issuer: trusted.root, isCa: true, purposes: ['1.3.6.1.5.5.7.3.4'] };
      const sub = await certify({ subject: 'CN=mail', ...mail });
      return { text: combinedOf(await leafBy(sub), sub) };
    },
    /browsers do not trust.*purpose/,
  ],
  [
    'a root in the place of the intermediate',
    async () => ({ text: combinedOf(await leafBy(evil.root), evil.root) }),
    /is a root/,
  ],
  [
    'the genuine certificate with a key of his',
    async () => ({ text: ourLeaf.pem + ours.intermediate.pem + (await certify({ subject: 'CN=x' })).keyPem }),
    /does not belong/,
  ],
  [
    'a genuine certificate for a name of his',
    async () => ({
      text: combinedOf(
        await signedBy(ours.intermediate, { subject: 'CN=e', dnsNames: ['e.test'] }),
        ours.intermediate,
      ),
    }),
    /wanted a\.test, saw/,
  ],
  [
    'a genuine certificate for a name of ours and one of his',
    async () => ({
      text: combinedOf(
        await signedBy(ours.intermediate, { dnsNames: ['a.test', 'e.test'] }),
        ours.intermediate,
      ),
    }),
    /no other name, saw e\.test/,
  ],
  [
    'other names than are configured',
    () => ({ entry: { identifiers: ['a.test', 'b.test'] } }),
    /other names/,
  ],
  ['a name that is not configured', () => ({ rules: { spec: undefined } }), /not configured/],
  [
    'a name that is configured for another fleet',
    () => ({ rules: { spec: makeSpec({ fleets: [fleetName.parse('other')] }) } }),
    /not configured for this fleet/,
  ],
  [
    'the certificate that was published before the present one',
    () => ({
      rules: {
        own: { published: [makeEntry({ publishedAt: ago(MINUTE_MS).toISOString() })], tombstones: [] },
      },
    }),
    /not younger/,
  ],
  [
    'the certificate that an operator has put back from, by its sequence',
    () => {
      const current = makeEntry({
        publishedAt: ago(9 * DAY_MS).toISOString(),
        sequence: ago(MINUTE_MS).getTime(),
      });
      return { rules: { own: { published: [current], tombstones: [] } } };
    },
    /not younger/,
  ],
  [
    'the present certificate in another form: with one more certificate in its chain',
    async () => {
      const { subject, keys } = ours.root;
      const cross = await certify({ subject, keys, issuer: evil.root, isCa: true });
      const current = makeEntry({ publishedAt: ago(MINUTE_MS).toISOString() });
      return {
        text: combinedOf(ourLeaf, ours.intermediate, cross),
        rules: { own: { published: [current], tombstones: [] } },
      };
    },
    /not younger/,
  ],
  [
    'a certificate that was ended',
    () => ({ rules: { own: { published: [], tombstones: [tombstone(digest(genuine), ago(DAY_MS))] } } }),
    /was ended \(revoked\)/,
  ],
  [
    'a certificate that was ended, in another form',
    () => ({
      rules: { own: { published: [], tombstones: [tombstone('f'.repeat(64), ago(MINUTE_MS))] } },
    }),
    /before the name was ended/,
  ],
  [
    'a certificate of long ago, for a name that the root does not have',
    async () => ({
      text: combinedOf(await leafBy(ours.intermediate, { notBefore: ago(3 * DAY_MS) }), ours.intermediate),
      rules: { own: { published: [], tombstones: [], signedAt: ago(DAY_MS).toISOString() } },
    }),
    /before this issuer last signed/,
  ],
  [
    'a publication in the year 9999',
    () => ({ entry: { publishedAt: '9999-01-01T00:00:00.000Z' } }),
    /in the future/,
  ],
  [
    'a certificate that is not valid yet',
    async () => ({
      text: combinedOf(await leafBy(ours.intermediate, { notBefore: ago(-HOUR_MS) }), ours.intermediate),
    }),
    /not yet valid/,
  ],
  [
    'a certificate that has expired',
    async () => ({
      text: combinedOf(
        await leafBy(ours.intermediate, { notBefore: ago(DAY_MS), notAfter: ago(HOUR_MS) }),
        ours.intermediate,
      ),
    }),
    /has expired/,
  ],
  [
    'a CA that is not configured',
    () => ({ entry: claimedUrl('https://evil.test/directory') }),
    /no configured CA/,
  ],
  [
    'an import, which no CA has to stand for',
    () => ({ entry: { issued: { origin: 'imported', importedAt: now.toISOString() } } }),
    /no configured CA/,
  ],
  [
    'an account URL without end',
    () => ({
      entry: { issued: { directoryUrl: DIRECTORY_URL, accountUrl: `https://ca.test/${'x'.repeat(2000)}` } },
    }),
    /account URL/,
  ],
  ['another key type', () => ({ rules: { spec: makeSpec({ keyTypes: ['rsa2048'] }) } }), /other key types/],
  [
    'half of a pair',
    () => ({ rules: { spec: makeSpec({ keyTypes: ['ec256', 'rsa2048'] }) } }),
    /other key types/,
  ],
  ['a PEM that is not there', () => ({ stored: undefined }), /missing or altered/],
  ['a PEM whose bytes are others', () => ({ stored: `${genuine}\n` }), /missing or altered/],
  [
    'a PEM with a blank line',
    () => ({ text: `${ourLeaf.pem}\n${ours.intermediate.pem}${ourLeaf.keyPem}` }),
    /blank/,
  ],
];

for (const [says, attempt, refused] of ATTACKS) {
  test(`refused: ${says}`, async () => {
    const judged = await judge(await attempt());

    assert.equal(typeof judged, 'string', `was taken over: ${JSON.stringify(judged).slice(0, 300)}`);
    assert.match(String(judged), refused);
    assert.doesNotMatch(String(judged), /PRIVATE KEY|MIGH/);
  });
}

test('a store that is out of reach says nothing about the entry', async () => {
  const error = new BucketError('ERR_BUCKET_UNREACHABLE', 'k', 'S3 is out of reach');
  const bucket = interposed(memoryBucket(), { get: (): Promise<never> => Promise.reject(error) });

  await assert.rejects(judge({ rules: { bucket } }), error);
});
