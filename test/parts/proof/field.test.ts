/**
 * The rows of field.md, section A, that are no loss of a zone: with the real issuer and two hosts in two fleets, while visitors come.
 * A1, A2, A4: losses.test.ts; A3: manipulations.test.ts.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { serializeRoot } from '#contract/root.ts';
import { generatePrivateKey, signerOf } from '#contract/statement.ts';
import { entryFor } from '../../support/agent/publish.ts';
import { createPki } from '../../support/parts/pki.ts';
import type { FleetHost } from '../../support/proof/host.ts';
import type { ConfiguredCertificate } from '../../support/proof/issuer.ts';
import { placesOf, type Scene, startScene } from '../../support/proof/scene.ts';
import { startWatch } from '../../support/proof/watch.ts';

const certificate = (name: string, ...fleets: string[]): ConfiguredCertificate => ({
  name,
  identifiers: [`${name}.test`, `www.${name}.test`],
  fleets: fleets.length === 0 ? ['edge'] : fleets,
});
const ALL = ['turned', 'removed', 'moved', 'lost', 'legacy'].map((name) => certificate(name));
const COMMON = certificate('common', 'edge', 'core');

let scene: Scene;
before(async () => {
  scene = await startScene({ version: '3.2', fleets: ['edge', 'core'], certificates: [...ALL, COMMON] });
  await scene.issuer.pass();
  await passHosts();
});
after(() => scene.stop());

const edge = () => scene.hosts[0] as FleetHost;
const passHosts = () => Promise.all(scene.hosts.map((host) => host.pass()));
const filesOf = ({ haproxy: { certsDir } }: FleetHost) =>
  readdirSync(certsDir)
    .filter((name) => name.endsWith('.pem'))
    .sort();
/** In pemfleet.yaml from now on, in the place of `name`. */
const replace = (name: string, ...changed: ConfiguredCertificate[]) =>
  scene.issuer.configure(scene.issuer.certificates.flatMap((one) => (one.name === name ? changed : [one])));
const ordersOf = () => scene.issuer.events.names().filter((name) => name.startsWith('order.created')).length;

/** Passes of both sides; visitors of these names notice nothing. */
async function unnoticed(t: TestContext, certificates: ConfiguredCertificate[], work: () => Promise<void>) {
  const places = placesOf(scene, certificates);
  const visits = startWatch(t, () => places, scene.issuer.issued);
  await work();
  const { wrong, missing } = await visits();
  assert.deepEqual({ wrong, missing }, { wrong: [], missing: [] });
}

async function rounds(count: number): Promise<void> {
  for (let round = 0; round < count; round += 1) {
    const { error } = await scene.issuer.pass();
    if (error !== undefined) throw error;
    await passHosts();
  }
}

describe('field.md, section A', () => {
  test('A5: the names in another order give another default name: the old certificate is superseded by itself', async (t) => {
    const old = certificate('turned');
    const turned = { ...old, name: 'www.turned.test', identifiers: [...old.identifiers].reverse() };

    await unnoticed(t, [old], async () => {
      replace('turned', turned);
      await rounds(3);
    });

    assert.deepEqual(
      filesOf(edge()).filter((file) => file.includes('turned')),
      ['www.turned.test.pem'],
    );
  });

  test('A6: what is taken out of the configuration stays served, until an operator withdraws it', async (t) => {
    const removed = certificate('removed');

    await unnoticed(t, [removed], async () => {
      replace('removed');
      await rounds(2);
    });

    assert.ok(filesOf(edge()).includes('removed.pem'));
    const { status, stderr } = await scene.issuer.command(['withdraw', 'removed']);
    assert.equal(status, 0, stderr);
    await passHosts();
    assert.ok(!filesOf(edge()).includes('removed.pem'));
    assert.doesNotMatch(await edge().haproxy.command('show ssl cert'), /removed\.pem/);
  });

  test('A7: a certificate that moves to another fleet is copied without an order, and the old fleet keeps it', async (t) => {
    const moved = certificate('moved', 'core');
    const orders = ordersOf();

    await unnoticed(t, [certificate('moved', 'edge')], async () => {
      replace('moved', moved);
      await rounds(2);
    });

    assert.equal(ordersOf(), orders);
    for (const host of scene.hosts) assert.ok(filesOf(host).includes('moved.pem'), host.name);
  });

  test('A8: a second issuer with another file on the same bucket stops, and names both', async () => {
    const env = { PEMFLEET_ISSUER: 'another' };
    const configured = scene.issuer.certificates;
    scene.issuer.configure([certificate('foreign')]);

    const { status, stderr } = await scene.issuer.command(['run'], { env });

    scene.issuer.configure(configured);
    assert.notEqual(status, 0);
    assert.match(stderr, /ERR_ISSUER_CONFLICT.*proof.*another/);
    await rounds(1);
    assert.ok(!filesOf(edge()).includes('foreign.pem'));
  });

  test('A9: a hand-made file with the name of a certificate is not ours, and stays', async () => {
    const { combined } = await (await createPki()).issue({ names: ['hand-made.test'] });
    const path = join(edge().haproxy.certsDir, 'hand-made.pem');
    writeFileSync(path, combined);
    scene.issuer.configure([...scene.issuer.certificates, certificate('hand-made')]);

    await rounds(1);

    assert.equal(readFileSync(path, 'utf8'), combined);
    const { files } = await edge().status();
    const [file] = files.filter((one) => one.file === 'hand-made.pem');
    assert.equal(file?.error?.code, 'ERR_INSTALL_NOT_OURS');
    rmSync(path);
    replace('hand-made');
  });

  test("A10: somebody's own certificate in one fleet's manifest, published in the year 9999: no other fleet gets it", async (t) => {
    const { combined } = await (await createPki()).issue({ names: COMMON.identifiers });
    const before = readFileSync(join(edge().haproxy.certsDir, 'common.pem'), 'utf8');

    await unnoticed(t, [COMMON], async () => {
      plant('core', combined);
      await rounds(2);
    });

    for (const host of scene.hosts) {
      assert.equal(readFileSync(join(host.haproxy.certsDir, 'common.pem'), 'utf8'), before, host.name);
    }
  });

  test('A11: a lost PEM is published again: a host that has lost it, too, gets one', async () => {
    const folder = join(scene.issuer.bucketDir, 'published/edge/pem/lost');
    rmSync(folder, { recursive: true });
    rmSync(join(edge().haproxy.certsDir, 'lost.pem'));

    await rounds(3);

    assert.ok(existsSync(folder));
    const { files } = await edge().status();
    assert.equal(files.find(({ file }) => file === 'lost.pem')?.state, 'served');
  });
});

test('split view: somebody shows yesterday to one host alone: the host cannot know it, and the issuer names it', async () => {
  const root = join(scene.issuer.bucketDir, 'published/edge/root.json');
  const yesterday = readFileSync(root);
  await scene.issuer.pass({ force: true, only: scene.issuer.specNames('common') });
  const today = readFileSync(root);
  writeFileSync(root, yesterday);

  const { code, stderr } = await edge().pass();
  writeFileSync(root, today);

  assert.equal(code, 0, stderr);
  const { status, stdout } = await scene.issuer.command(['status', '--grace', '0s']);
  assert.notEqual(status, 0);
  assert.match(stdout, /wrong: common: not served by 1 of \d+: host-1 pending/);
  await passHosts();
});

/** He writes to this fleet's manifest, in both versions, what he would like all of them to serve. */
function plant(fleet: string, combined: string): void {
  const { bucketDir } = scene.issuer;
  const folder = join(bucketDir, 'published', fleet);
  const entry = entryFor(combined, COMMON.identifiers);
  writeFileSync(join(folder, 'pem/common', `${entry.pems[0]?.sha256}.pem`), combined);
  const future = { ...entry, publishedAt: '9999-01-01T00:00:00.000Z' };
  for (const name of ['manifest.json', 'root.json']) {
    const file = join(folder, name);
    if (!existsSync(file)) continue;
    const { signature: _, ...manifest } = JSON.parse(readFileSync(file, 'utf8'));
    const forged = { ...manifest, certificates: { ...manifest.certificates, common: future } };
    const thief = signerOf(generatePrivateKey());
    writeFileSync(file, name === 'root.json' ? serializeRoot(forged, thief).text : JSON.stringify(forged));
  }
}
