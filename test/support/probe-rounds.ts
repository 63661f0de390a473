// Rounds of a probe over a fleet that is as it should be: names with several addresses, IPv6, a pair, an IP address, a listed address; every
// tenth round one of them is renewed, and HAProxy gets it a moment later.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import type { TestContext } from 'node:test';
import { meaningOf } from '../../lambda/probe/judge.ts';
import { createPki, type IssuedLeaf } from './parts/pki.ts';
import { probe, refOf, startOutside, targetOf } from './probe.ts';

const addresses = ['127.0.0.1', '127.0.0.2', '::1'];
const renewedEvery = 10;

export async function probeRounds(t: TestContext, rounds: number): Promise<void> {
  const pki = await createPki();
  const names = ['a.test', 'b.test', '*.c.test', '127.0.0.1'];
  const leaves = new Map<string, IssuedLeaf>();
  for (const name of names) leaves.set(name, await pki.issue({ names: [name] }));
  const [ec, rsa] = await Promise.all([
    pki.issue({ names: ['pair.test'] }),
    pki.issue({ names: ['pair.test'], keyType: 'rsa-2048' }),
  ]);
  const fileOf = (name: string) => (name === '127.0.0.1' ? '0-default.pem' : `${name.replace('*', '_')}.pem`);
  const pems = Object.fromEntries([...leaves].map(([name, { combined }]) => [fileOf(name), combined]));
  const pair = { 'pair.pem.ecdsa': ec.combined, 'pair.pem.rsa': rsa.combined };
  const outside = await startOutside(
    t,
    addresses.map((address) => ({ address, pems: { ...pems, ...pair } })),
  );
  for (const name of ['a.test', 'b.test', 'pair.test', 'pemfleet-probe.c.test']) {
    await outside.point(name, addresses);
  }
  const former = new Set<string>();
  const issuer = new X509Certificate(ec.leafPem).issuer;
  let isFresh = false;
  for (let round = 1; round <= rounds; round += 1) {
    const targets = [...leaves].map(([name, leaf]) => targetOf(name, [leaf], { isFresh }));
    const rows = await probe(outside, [...targets, targetOf('pair.test', [ec, rsa])], { former, issuer });
    const wrong = rows.filter((row) => meaningOf(row) !== 'well');
    assert.deepEqual(wrong, [], `round ${round}`);
    assert.equal(rows.length, 3 * 3 + 1 + 3 * 2);
    assert.ok(isFresh || rows.every(({ verdict }) => verdict === 'served'), `round ${round}`);
    // What was published before this round arrives after it.
    if (isFresh) await update('b.test');
    isFresh = round % renewedEvery === 0;
    if (!isFresh) continue;
    former.add(refOf(leaves.get('b.test') as IssuedLeaf).serial);
    leaves.set('b.test', await pki.issue({ names: ['b.test'] }));
  }

  async function update(name: string): Promise<void> {
    for (const index of addresses.keys()) {
      const file = `${outside.directory}/${index}/${fileOf(name)}`;
      await outside.haproxy.command(`set ssl cert ${file} <<\n${leaves.get(name)?.combined}\n`);
      assert.match(await outside.haproxy.command(`commit ssl cert ${file}`), /Success/);
    }
  }
}
