/** Ten strangers and more, planted behind the addresses of a fleet: each is named for what it is. A real DNS server, a real HAProxy. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, test } from 'node:test';
import { createPki, type IssuedLeaf, type Pki } from '../../../support/parts/pki.ts';
import { probe, refOf, startOutside, targetOf } from '../../../support/probe.ts';

let pki: Pki;
let otherCa: Pki;
const day = 86_400_000;

before(async () => {
  [pki, otherCa] = await Promise.all([createPki(), createPki('a CDN')]);
});

const issuerOf = ({ leafPem }: IssuedLeaf) => new X509Certificate(leafPem).issuer;

test('each stranger is found at its address, and named; what is right stays right', async (t) => {
  const names = [
    'stale',
    'expired',
    'account',
    'cdn',
    'chain',
    'default',
    'strict',
    'dead6',
    'plain',
    'gone',
  ];
  const ours = new Map<string, IssuedLeaf>();
  for (const name of [...names, 'fine', 'fresh', 'broken']) {
    ours.set(name, await pki.issue({ names: [`${name}.test`] }));
  }
  const own = (name: string) => ours.get(name) as IssuedLeaf;
  const [ec, rsa] = await Promise.all([
    pki.issue({ names: ['pair.test'] }),
    pki.issue({ names: ['pair.test'], keyType: 'rsa-2048' }),
  ]);
  const former = await pki.issue({ names: ['stale.test', 'expired.test', 'fresh.test'] });
  const past = await pki.issue({
    names: ['expired.test'],
    notBefore: new Date(Date.now() - 90 * day),
    notAfter: new Date(Date.now() - day),
  });
  const stranger = await pki.issue({ names: ['account.test'] });
  const cdn = await otherCa.issue({ names: ['cdn.test'] });
  const elsewhere = await otherCa.issue({ names: ['somewhere.else'] });
  const all = Object.fromEntries([...ours].map(([name, { combined }]) => [`${name}.pem`, combined]));
  const { leafPem, keyPem } = own('chain');
  const outside = await startOutside(t, [
    { address: '127.0.0.1', pems: { ...all, 'pair.pem.ecdsa': ec.combined, 'pair.pem.rsa': rsa.combined } },
    { address: '127.0.0.2', pems: { 'a.pem': former.combined } },
    { address: '127.0.0.3', pems: { 'a.pem': past.combined } },
    { address: '127.0.0.4', pems: { 'a.pem': stranger.combined } },
    { address: '127.0.0.5', pems: { 'a.pem': cdn.combined } },
    { address: '127.0.0.6', pems: { 'a.pem': leafPem + keyPem } },
    { address: '127.0.0.7', pems: { 'a.pem': ec.combined } },
    { address: '127.0.0.8', pems: { 'a.pem': elsewhere.combined } },
    { address: '127.0.0.9', pems: { 'a.pem': elsewhere.combined }, words: 'strict-sni' },
    { address: '127.0.0.10', pems: {} },
  ]);
  const { point, dns } = outside;
  const strangers: Record<string, string> = {
    stale: '127.0.0.2',
    expired: '127.0.0.3',
    account: '127.0.0.4',
    cdn: '127.0.0.5',
    chain: '127.0.0.6',
    pair: '127.0.0.7',
    default: '127.0.0.8',
    strict: '127.0.0.9',
    plain: '127.0.0.10',
    gone: '127.0.0.99',
    // Nobody listens there.
    dead6: '::1',
    fresh: '127.0.0.2',
  };
  for (const [name, address] of Object.entries(strangers)) {
    await point(`${name}.test`, ['127.0.0.1', address]);
  }
  await point('fine.test', ['127.0.0.1']);
  await dns.manage('set-cname', { host: 'cdn.test', target: 'edge.cdn.test' });
  await point('edge.cdn.test', ['127.0.0.1', '127.0.0.5']);
  await dns.manage('set-servfail', { host: 'broken.test' });

  const formerSerials = new Set([former, past].map((one) => refOf(one).serial));
  const targets = [...ours.keys()].map((name) => {
    const isFresh = name === 'fresh';
    return targetOf(`${name}.test`, [own(name)], { isFresh });
  });
  const rows = await probe(
    outside,
    [...targets, targetOf('pair.test', [ec, rsa]), targetOf('nowhere.test', [own('fine')])],
    { former: formerSerials, issuer: issuerOf(own('fine')) },
  );

  const verdicts = rows.map(({ name, address = '', keyKind, verdict, alias }) =>
    [name, address, keyKind, verdict, alias].filter((word) => word).join(' '),
  );
  const right = [...names.filter((name) => name !== 'cdn'), 'fine', 'fresh'].map(
    (name) => `${name}.test 127.0.0.1 served`,
  );
  assert.deepEqual(
    verdicts.sort(),
    [
      ...right,
      'cdn.test 127.0.0.1 served edge.cdn.test',
      'pair.test 127.0.0.1 ecdsa served',
      'pair.test 127.0.0.1 rsa served',
      'pair.test 127.0.0.7 ecdsa served',
      'account.test 127.0.0.4 other-account',
      'broken.test dns-failed',
      'cdn.test 127.0.0.5 other-issuer edge.cdn.test',
      'chain.test 127.0.0.6 incomplete-chain',
      'dead6.test ::1 dead-ipv6',
      'default.test 127.0.0.8 other-names',
      'expired.test 127.0.0.3 stale',
      'fresh.test 127.0.0.2 renewing',
      'gone.test 127.0.0.99 unreachable',
      'nowhere.test no-address',
      'pair.test 127.0.0.7 rsa wrong-key-type',
      'plain.test 127.0.0.10 refused',
      'stale.test 127.0.0.2 stale',
      'strict.test 127.0.0.9 refused',
    ].sort(),
  );
});

test("an address of a private network is not asked without the operator's word", async (t) => {
  const leaf = await pki.issue({ names: ['inside.test'] });
  const outside = await startOutside(t, [{ address: '127.0.0.1', pems: { 'a.pem': leaf.combined } }]);
  await outside.point('inside.test', ['127.0.0.1', '::1', '10.0.0.1', '169.254.169.254']);
  const targets = [targetOf('inside.test', [leaf])];

  const rows = await probe(
    outside,
    targets,
    { former: new Set(), issuer: undefined },
    { allowPrivate: false },
  );

  assert.deepEqual(new Set(rows.map(({ verdict }) => verdict)), new Set(['not-public']));
  assert.equal(rows.length, 4);
});
