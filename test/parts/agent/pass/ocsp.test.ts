// The staple on the wire, through all that can happen to a certificate.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { certificateName, layout } from '#contract/layout.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { fleet } from '../../../support/agent/host.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { publishWithStaple } from '../../../support/agent/stapled.ts';
import { stapleOnWire } from '../../../support/handshake.ts';
import { type OcspResponder, startOcspResponder } from '../../../support/parts/ocsp-responder.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

let responder: OcspResponder;
before(async () => {
  responder = await startOcspResponder();
});
after(() => responder.stop());

const stapled = ({ haproxy }: Stage, servername: string) =>
  stapleOnWire({ port: haproxy.httpsPort, servername });

const publishStapled = (stage: Stage, combined: string, minutes: number, given?: Buffer) =>
  publishWithStaple(stage, responder, { name: 'shop', combined, minutes, given });

for (const version of testedVersions()) {
  test(`${version}: stapled when new, after a hot update, a refresh and a restart; gone with the URL`, async (t) => {
    const stage = await makeStage(t, { version });
    const options = { names: ['shop.test'], ocspUrl: responder.url };
    const pid = await stage.haproxy.pid();
    const synced = async () => {
      assertOk(await stage.pass());
      return stapled(stage, 'shop.test');
    };

    const first = (await stage.pki.issue(options)).combined;
    assert.deepEqual(await publishStapled(stage, first, 60).then(synced), await lastStaple(stage), 'new');
    const second = (await stage.pki.issue(options)).combined;
    const updated = await publishStapled(stage, second, 60);
    assert.deepEqual(await synced(), updated, 'after a hot update');
    const refreshed = await publishStapled(stage, second, 90);
    assert.deepEqual(await synced(), refreshed, 'after a refresh alone');
    assert.deepEqual(stage.files(), ['shop.pem', 'shop.pem.ocsp']);
    assert.equal(await stage.haproxy.pid(), pid);
    assert.ok((await stage.status()).files[0]?.staple?.nextUpdate);
    await stage.haproxy.restart();
    assert.deepEqual(await stapled(stage, 'shop.test'), refreshed, 'after a restart');

    await stage.publish('shop', { names: ['shop.test'] });
    assert.equal(await synced(), undefined, 'another CA, without a URL');
    assert.deepEqual(stage.files(), ['shop.pem']);
  });

  test(`${version}: a staple that cannot be had, or that HAProxy refuses, holds up no certificate`, async (t) => {
    const stage = await makeStage(t, { version });
    const first = (await stage.pki.issue({ names: ['shop.test'], ocspUrl: responder.url })).combined;
    await publishStapled(stage, first, 60, Buffer.from('no response'));
    const pass = await stage.pass();

    assertOk(pass);
    // 3.0 and 3.2 show the same as for a right one
    if (version === '2.6') assert.match(pass.stderr, /event=staple\.failed.*code=ERR_RUNTIME_READ_BACK/);
    assert.equal((await stage.status()).files[0]?.state, 'served');
    assert.equal(await stapled(stage, 'shop.test'), undefined);
    const right = await publishStapled(stage, first, 60);
    assertOk(await stage.pass());
    assert.deepEqual(await stapled(stage, 'shop.test'), right);
  });

  test(`${version}: set by hand without its staple, HAProxy gets it back; nothing new writes nothing`, async (t) => {
    const stage = await makeStage(t, { version });
    const { combined } = await stage.pki.issue({ names: ['shop.test'], ocspUrl: responder.url });
    const body = await publishStapled(stage, combined, 60);
    assertOk(await stage.pass());
    const idle = await stage.pass();
    const file = join(stage.haproxy.certsDir, 'shop.pem');
    await stage.haproxy.command(`set ssl cert ${file} <<\n${combined}`);
    await stage.haproxy.command(`commit ssl cert ${file}`);
    assert.equal(await stapled(stage, 'shop.test'), undefined);
    assertOk(await stage.pass());

    assert.doesNotMatch(idle.stderr, /staple|certificate\.(installed|loaded)/);
    assert.deepEqual(await stapled(stage, 'shop.test'), body);
  });
}

async function lastStaple(stage: Stage): Promise<Buffer> {
  const [pem] = Object.values((await stage.manifest()).certificates)[0]?.pems ?? [];
  const key = layout.ocsp(fleet, certificateName.parse('shop'), pem?.sha256 ?? '', pem?.ocsp?.sha256 ?? '');
  return (await stage.bucket.get(key))?.body ?? Buffer.alloc(0);
}
