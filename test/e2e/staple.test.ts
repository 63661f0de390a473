/** OCSP from the CA's certificate to the wire: a pair, by the commands that an operator types. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { certificateName } from '#contract/layout.ts';
import { stapleOnWire } from '../support/handshake.ts';
import { changeRoot } from '../support/issuer/change-root.ts';
import { type OcspResponder, startOcspResponder } from '../support/parts/ocsp-responder.ts';
import { type Stage, startStage } from './stage.ts';

const PAIR = { identifiers: ['pair.example.com'], keyTypes: ['ec256', 'rsa2048'] };

let responder: OcspResponder;
let stage: Stage;
before(async () => {
  responder = await startOcspResponder();
  stage = await startStage({ certificates: [PAIR], pebble: { ocspResponderUrl: responder.url } });
  responder.serve(await stage.pebble.intermediate());
});
after(async () => {
  await stage.stop();
  await responder.stop();
});

interface PublishedPem {
  serial: string;
  ocsp?: { sha256: string; nextUpdate: string };
}

function published(): PublishedPem[] {
  const text = readFileSync(join(stage.bucketDir, 'published/default/root.json'), 'utf8');
  return JSON.parse(text).certificates['pair.example.com'].pems;
}

/** What HAProxy staples to either half of the pair. */
const staplesOnWire = () =>
  Promise.all(
    ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'].map((ciphers) => {
      const options = { port: stage.haproxy.httpsPort, servername: 'pair.example.com', ciphers };
      return stapleOnWire({ ...options, maxVersion: 'TLSv1.2' });
    }),
  );

test('a responder that knows nothing yet fails no certificate; both are served without a staple', async () => {
  const { status, stderr } = await stage.issuer(['run']);
  const sync = await stage.agent(['sync']);

  assert.equal(status, 0, stderr);
  assert.match(stderr, /ocsp\.failed/);
  assert.equal(sync.status, 0, sync.stderr);
  assert.deepEqual(
    published().map(({ ocsp }) => ocsp),
    [undefined, undefined],
  );
  assert.deepEqual(await staplesOnWire(), [undefined, undefined]);
});

test('the next pass brings a response for each of the pair to the wire, and orders nothing', async () => {
  for (const { serial } of published()) responder.good.add(serial);

  const { status, stderr } = await stage.issuer(['run']);
  const sync = await stage.agent(['sync']);

  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stderr, /order\.created/);
  assert.equal(sync.status, 0, sync.stderr);
  assert.ok(published().every(({ ocsp }) => ocsp !== undefined));
  const staples = await staplesOnWire();
  assert.ok(staples.every((staple) => staple !== undefined && staple.length > 100));
  assert.notDeepEqual(staples[0], staples[1]);
});

test('a response that is good for long is not asked for again', async () => {
  const before = responder.requests;

  const { status } = await stage.issuer(['run']);

  assert.equal(status, 0);
  assert.equal(responder.requests, before);
});

test('revoked, says the responder: renewed now, and the new pair gets staples of its own', async () => {
  const [first] = published();
  responder.good.delete(first?.serial ?? '');
  responder.revoked.add(first?.serial ?? '');
  // As if half of its life were over.
  await changeRoot(stage.bucketDir, ({ certificates }) => {
    for (const pem of certificates[certificateName.parse('pair.example.com')]?.pems ?? []) {
      if (pem.ocsp) pem.ocsp.thisUpdate = new Date(Date.now() - 3_600_000).toISOString();
    }
  });

  const { status, stderr } = await stage.issuer(['run']);

  assert.equal(status, 0, stderr);
  assert.match(stderr, /reason=revoked/);
  assert.ok(published().every(({ serial }) => serial !== first?.serial));
  for (const { serial } of published()) responder.good.add(serial);
  const refresh = await stage.issuer(['run']);
  const sync = await stage.agent(['sync']);
  assert.deepEqual([refresh.status, sync.status], [0, 0], refresh.stderr + sync.stderr);
  assert.ok((await staplesOnWire()).every((staple) => staple !== undefined));
});
