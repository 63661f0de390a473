// The staples of a fleet on a simulated clock: when the issuer fetches and publishes them, and what a revocation does.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { MINUTE_MS } from '#common/time.ts';
import { certificateName, layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { NoAcmeAnswer } from '../../../lambda/acme/problem.ts';
import type { Ca, Cas } from '../../../lambda/ca/ca.ts';
import type { CertificateSpec } from '../../../lambda/config/config.ts';
import { decide } from '../../../lambda/pass/due.ts';
import { createPublishers } from '../../../lambda/publication/publisher.ts';
import { isStapleDue, refreshStaples } from '../../../lambda/publication/staples.ts';
import { publisherOptions } from '../../../lambda/upgrade/along.ts';
import { fleet } from '../../support/agent/host.ts';
import { entryFor, publisher, stageLineage, stageSigner } from '../../support/agent/publish.ts';
import { makeConfig } from '../../support/issuer/documents.ts';
import { readPublished } from '../../support/issuer/signing.ts';
import { type OcspResponder, startOcspResponder } from '../../support/parts/ocsp-responder.ts';
import { createPki } from '../../support/parts/pki.ts';
import { tempDir } from '../../support/temp-dir.ts';

const signing = {
  lineage: stageLineage,
  signer: stageSigner,
  statements: [],
  lowestSequence: 0,
  isOurs: (key: string) => key === stageSigner.key,
  isInherited: () => false,
};

let responder: OcspResponder;
before(async () => {
  responder = await startOcspResponder();
});
after(() => responder.stop());

async function stage(
  t: { after(work: () => void): void },
  ocspUrl: string | undefined,
  given: { allowPrivate?: boolean | undefined; issued?: object; cas?: Cas } = { allowPrivate: true },
) {
  const { allowPrivate, issued, cas } = given;
  const dir = tempDir(t);
  const pki = await createPki();
  const bucket = await openBucket(pathToFileURL(join(dir, 'bucket')).href);
  responder.serve({ pem: pki.intermediatePem, keyPem: pki.intermediateKeyPem });
  Object.assign(responder, { requests: 0, httpStatus: undefined });
  const { combined } = await pki.issue({ names: ['shop.test'], ...(ocspUrl && { ocspUrl }) });
  const { serialNumber } = new X509Certificate(combined);
  responder.good.add(serialNumber);
  const made = entryFor(combined, ['shop.test'], ocspUrl ? { ocspUrl } : {});
  const entry = { ...made, ...(issued && { issued }) } as typeof made;
  await publisher(bucket, pki).publishBytes('shop', combined, entry);
  const spec = {
    ...{ name: certificateName.parse('shop'), identifiers: ['shop.test'], keyTypes: ['ec256'] },
    ...{ fleets: [fleet], reuseKey: true },
  } as unknown as CertificateSpec;
  const events: string[] = [];
  const pass = async (minutes = 0, lostPems: ReadonlySet<string> = new Set()) => {
    const now = () => new Date(Date.now() + minutes * MINUTE_MS);
    const timing = { now, deadline: new Date(Date.now() + 3_600_000), sleep: async () => undefined };
    const manifests = new Map([[fleet, await readPublished(bucket, fleet)]]);
    const publishers = createPublishers(bucket, [fleet], publisherOptions(bucket, signing, now));
    const acme = { directoryUrl: 'https://ca.test/dir', termsOfServiceAgreed: true, allowPrivate };
    const config = makeConfig([{ identifiers: ['shop.test'] }], { acme });
    const log = (event: string) => events.push(event);
    const deps = { bucket, config, options: {}, timing, log, ...(cas && { cas }) };
    return refreshStaples(deps, { lostPems, manifests, publishers }, { specs: [spec] });
  };
  const published = async () => {
    const read = (await readPublished(bucket, fleet))?.manifest.certificates[spec.name];
    assert.ok(read);
    return read;
  };
  return { bucket, spec, serialNumber, pass, published, events };
}

test('published beside the PEM, kept until half of its life, then fetched again', async (t) => {
  const { bucket, spec, pass, published } = await stage(t, responder.url);

  const first = await pass();
  const [pem] = (await published()).pems;
  const idle = await pass(29);
  responder.validMinutes = 90;
  await new Promise((resolve) => setTimeout(resolve, 1100)); // openssl's clock has seconds
  const second = await pass(31);

  assert.deepEqual([first.isPublished, idle.isPublished, second.isPublished], [true, false, true]);
  assert.equal(responder.requests, 2);
  const key = layout.ocsp(fleet, spec.name, pem?.sha256 ?? '', pem?.ocsp?.sha256 ?? '');
  assert.ok(await bucket.get(key));
  const after = await published();
  assert.notEqual(after.pems[0]?.ocsp?.sha256, pem?.ocsp?.sha256);
  assert.equal(after.previous, undefined, 'fresh staples are no other publication');
});

test('whose object is gone is fetched again, though it holds', async (t) => {
  const { bucket, spec, pass, published } = await stage(t, responder.url);
  const keyOf = ([pem]: Awaited<ReturnType<typeof published>>['pems']) =>
    layout.ocsp(fleet, spec.name, pem?.sha256 ?? '', pem?.ocsp?.sha256 ?? '');
  await pass();
  const key = keyOf((await published()).pems);
  assert.equal((await bucket.get(key))?.body.length, (await published()).pems[0]?.ocsp?.size);
  await bucket.delete(key);

  await pass(1);
  assert.equal(await bucket.get(key), undefined);
  await pass(2, new Set([key]));

  assert.ok(await bucket.get(keyOf((await published()).pems)));
});

test('an OCSP address that is not public is not asked: of this machine, of a metadata service, at another port', async (t) => {
  const { port } = new URL(responder.url);
  const named = [responder.url, `http://localhost:${port}/`, 'http://127.0.0.1/', 'http://169.254.169.254/'];
  for (const ocspUrl of [...named, `http://ocsp.example.com:${port}/`]) {
    const { events, pass, published } = await stage(t, ocspUrl, { allowPrivate: false });

    assert.equal((await pass()).isPublished, false, ocspUrl);
    assert.equal((await published()).pems[0]?.ocsp, undefined);
    assert.deepEqual([events, responder.requests], [['ocsp.failed'], 0], ocspUrl);
  }
});

test('an imported certificate names no private address, unless the configuration allows them', async (t) => {
  const issued = { origin: 'imported', importedAt: new Date().toISOString() };

  for (const allowPrivate of [undefined, false, true]) {
    const { events, pass } = await stage(t, responder.url, { allowPrivate, issued });

    assert.equal((await pass()).isPublished, allowPrivate === true);
    assert.deepEqual(events, [allowPrivate ? 'ocsp.fetched' : 'ocsp.failed']);
    assert.equal(responder.requests, allowPrivate ? 1 : 0);
  }
});

test('a CA that is known by a host name alone names private addresses if its directory has answered from one', async (t) => {
  const directoryUrl = 'https://ca.test/dir';
  const rows: [says: string, allows: () => Promise<boolean>][] = [
    ['from a private network', async () => true],
    ['from a public address', async () => false],
    ['no answer', () => Promise.reject(new NoAcmeAnswer('ECONNREFUSED'))],
  ];
  for (const [says, allowsPrivate] of rows) {
    const cas = new Map([[directoryUrl, { allowsPrivate } as Ca]]);
    const { events, pass } = await stage(t, responder.url, { cas });
    const isAsked = says === 'from a private network';

    assert.equal((await pass()).isPublished, isAsked, says);
    assert.deepEqual(
      [events, responder.requests],
      isAsked ? [['ocsp.fetched'], 1] : [['ocsp.failed'], 0],
      says,
    );
  }
});

test('revoked: renew now; what is stapled stays as it is', async (t) => {
  const { spec, serialNumber, pass, published, events } = await stage(t, responder.url);
  responder.good.delete(serialNumber);
  responder.revoked.add(serialNumber);

  const { revoked, isPublished } = await pass();

  const directoryUrl = 'https://ca.test/dir';
  const input = { spec, cas: [{ directoryUrl }], windows: new Map(), record: undefined, forced: false };
  const decision = decide({ ...input, published: await published(), revoked, now: new Date(), wakeMs: 1 });
  assert.deepEqual(decision, { action: 'obtain', reason: 'revoked', directoryUrl });
  assert.equal(isPublished, false);
  assert.deepEqual(events, ['ocsp.revoked']);
});

test('a responder in trouble fails no pass; a certificate without a URL makes no request', async (t) => {
  const down = await stage(t, responder.url);
  responder.httpStatus = 503;
  const failed = await down.pass();
  const bare = await stage(t, undefined);
  const nothing = await bare.pass();

  assert.deepEqual(down.events, ['ocsp.failed']);
  assert.deepEqual([failed.isPublished, nothing.isPublished, bare.events], [false, false, []]);
  assert.equal(responder.requests, 0);
  const [pem] = (await bare.published()).pems;
  assert.equal(pem && isStapleDue(pem, new Date()), false);
});
