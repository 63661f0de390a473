// A fresh host: the agent before HAProxy.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { selfSigned } from '#common/self-signed.ts';
import { pemFactsOf } from '../../../../agent/deploy/pem-facts.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { startAgent } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { type Stage, stageOn } from '../../../support/agent/stage.ts';
import { handshake } from '../../../support/handshake.ts';
import {
  type Haproxy,
  type HaproxyVersion,
  haproxyVersions,
  startHaproxy,
} from '../../../support/parts/haproxy.ts';
import { freePort } from '../../../support/ports.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

interface FreshHost extends Stage {
  /** Starts HAProxy with the files that the agent has installed. */
  boot(version: HaproxyVersion, configText?: string): Promise<Haproxy>;
}

async function freshHost(t: TestContext): Promise<FreshHost> {
  const place = makeTempDir();
  t.after(() => place.remove());
  const [certsDir, httpsPort] = [join(place.path, 'certs'), await freePort()];
  mkdirSync(certsDir, { mode: 0o700 });
  const absent = { certsDir, httpsPort, socket: join(place.path, 'admin.sock') } as Haproxy;
  const stage = await stageOn(absent, place.path);
  const boot = async (version: HaproxyVersion, configText?: string) => {
    const options = { version, workDir: place.path, httpsPort, masterWorker: true };
    const haproxy = await startHaproxy(configText === undefined ? options : { ...options, configText });
    t.after(() => haproxy.stop());
    return haproxy;
  };
  return { ...stage, boot };
}

const wait = (host: FreshHost, seconds: number, ...args: string[]) =>
  host.agent('sync', { args: [`--wait=${seconds}`, ...args] });

const reference = fileURLToPath(new URL('../../../../agent/host/haproxy.cfg', import.meta.url));
const withoutStrictSni = () => readFileSync(reference, 'utf8').replace(/ strict-sni alpn/, ' alpn');

test('the first manifest comes while the agent waits: installed, and HAProxy starts with it', async (t) => {
  const host = await freshHost(t);
  const { child, output, said } = startAgent(['sync', '--wait=60', ...host.flags]);
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'close');
  await said('event=boot.waiting code=ERR_MANIFEST_MISSING');

  const pem = await host.publish('shop', { names: ['shop.test'] });
  const [code] = (await exited) as [number];

  assert.equal(code, 0, output.stderr);
  assert.deepEqual(host.files(), ['shop.pem']);
  await host.boot('3.2');
  assert.equal((await host.handshake('shop.test')).serial, serialOf(pem));
  assertOk(await host.agent('sync'));
});

test('bucket out of reach: the last good set is enough, at once', async (t) => {
  const host = await freshHost(t);
  const pem = await host.publish('shop', { names: ['shop.test'] });
  assert.equal((await wait(host, 10)).code, 0);
  renameSync(host.bucketDir, `${host.bucketDir}.away`);
  writeFileSync(host.bucketDir, 'no directory');

  const { code, stderr } = await wait(host, 60);

  assert.equal(code, 0, stderr);
  assert.match(stderr, /event=boot\.last-good files=1 code=ERR_BUCKET_IO/);
  assert.doesNotMatch(stderr, /boot\.waiting/);
  assert.equal(host.pem('shop'), pem);
});

test('a dry run of sync makes nothing: no bucket where the address of a directory is mistyped', async (t) => {
  const host = await freshHost(t);
  const typo = `${host.bucketDir}-mistyped`;

  const { code, stdout } = await host.agent('sync', { args: ['--dry-run', `--bucket=file://${typo}`] });

  assert.equal(code, 1, stdout);
  assert.match(stdout, /ERR_MANIFEST_MISSING/);
  assert.equal(existsSync(typo), false);
});

test('no certificate in time: the wait ends with status 1 and an empty directory', async (t) => {
  const host = await freshHost(t);

  const { code, stderr } = await wait(host, 2);

  assert.equal(code, 1, stderr);
  assert.deepEqual(host.files(), []);
  assert.equal((await wait(host, 1, '--dry-run')).code, 64);
});

test('a file that HAProxy cannot start with does not end the wait', async (t) => {
  const host = await freshHost(t);
  writeFileSync(join(host.haproxy.certsDir, 'old.pem'), '');

  assert.equal((await wait(host, 0)).code, 1);
});

test('SIGTERM ends the wait', async (t) => {
  const host = await freshHost(t);
  const { child, said } = startAgent(['sync', '--wait', ...host.flags]);
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'close');
  await said('event=boot.waiting');

  child.kill('SIGTERM');

  assert.deepEqual(await exited, [1, null]);
});

for (const version of haproxyVersions) {
  test(`a placeholder lets HAProxy ${version} start without strict-sni, and goes when the real one is there`, async (t) => {
    const host = await freshHost(t);
    const booted = await wait(host, 0, '--placeholder', 'true');
    assert.equal(booted.code, 0, booted.stderr);
    assert.match(booted.stderr, /event=placeholder\.installed/);
    assert.deepEqual(host.files(), ['PLACEHOLDER.pem']);
    const haproxy = await host.boot(version, withoutStrictSni());
    const placeholder = (await host.handshake('anything.test')).serial;

    const pem = await host.publish('shop', { names: ['shop.test'] });
    const done = await host.agent('sync');

    assertOk(done);
    assert.match(done.stderr, /event=placeholder\.removed file=PLACEHOLDER\.pem code=ERR_RUNTIME_IN_USE/);
    assert.deepEqual(host.files(), ['shop.pem']);
    assert.equal((await host.handshake('shop.test')).serial, serialOf(pem));
    assert.equal((await host.handshake('anything.test')).serial, placeholder);
    await haproxy.reload();
    assert.equal((await host.handshake('anything.test')).serial, serialOf(pem));
    assertOk(await host.agent('sync'));
  });

  test(`with strict-sni HAProxy ${version} lets the placeholder go at once`, async (t) => {
    const host = await freshHost(t);
    await wait(host, 0, '--placeholder', 'true');
    const haproxy = await host.boot(version);
    const served = await handshake({
      port: host.haproxy.httpsPort,
      servername: 'pemfleet-placeholder.invalid',
    });
    assert.ok(served.serial);

    await host.publish('shop', { names: ['shop.test'] });
    const done = await host.agent('sync');

    assertOk(done);
    assert.match(done.stderr, /event=placeholder\.removed file=PLACEHOLDER\.pem\n/);
    assert.doesNotMatch(await haproxy.command('show ssl cert'), /PLACEHOLDER/);
  });
}

test('the self-signed certificate is X.509 as OpenSSL reads it, and its key is its own', () => {
  const [from, to] = [new Date('2026-11-22T05:00:00Z'), new Date('2027-11-22T05:00:00Z')];

  for (let turn = 0; turn < 50; turn += 1) {
    const pem = selfSigned('pemfleet-placeholder.invalid', from, to);
    const certificate = new X509Certificate(pem);
    assert.ok(certificate.verify(certificate.publicKey) && certificate.checkIssued(certificate));
    assert.deepEqual(
      [new Date(certificate.validFrom), new Date(certificate.validTo), certificate.subjectAltName],
      [from, to, 'DNS:pemfleet-placeholder.invalid'],
    );
    assert.deepEqual(pemFactsOf(pem).problem, undefined);
    assert.equal(certificate.serialNumber.length, 32);
  }
});
