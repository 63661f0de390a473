// RFC 6960 against openssl(1): the request that it understands, the answers that are taken and refused.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import { fetchResponse } from '../../../lambda/ocsp/fetch.ts';
import { ocspUrlOf, requestFor } from '../../../lambda/ocsp/request.ts';
import { readResponse } from '../../../lambda/ocsp/response.ts';
import { flipBits, isTakenByOpenssl } from '../../support/parts/ocsp-bits.ts';
import { delegateOf, type OcspResponder, startOcspResponder } from '../../support/parts/ocsp-responder.ts';
import { createPki, type LeafOptions } from '../../support/parts/pki.ts';

const pki = await createPki();
const ca = { pem: pki.intermediatePem, keyPem: pki.intermediateKeyPem };
const issuer = new X509Certificate(pki.intermediatePem);
let responder: OcspResponder;
before(async () => {
  responder = await startOcspResponder();
});
beforeEach(() => {
  responder.serve(ca);
  Object.assign(responder, { httpStatus: undefined, validMinutes: 60, requests: 0 });
});
after(() => responder.stop());

async function leafOf(options: Partial<LeafOptions> = {}): Promise<X509Certificate> {
  const { leafPem } = await pki.issue({ names: ['a.test'], ocspUrl: responder.url, ...options });
  const leaf = new X509Certificate(leafPem);
  responder.good.add(leaf.serialNumber);
  return leaf;
}

const asked = (leaf: X509Certificate, now = new Date()) => ({ leaf, issuer, now });
const refused = (message: RegExp) => ({ code: 'ERR_OCSP', message });

test('good, for serials of all shapes', async () => {
  for (const serial of ['01', '7f', '00ff', '0a1b2c3d4e5f60718293a4b5c6d7e8f9']) {
    const leaf = await leafOf({ serial });
    const response = await fetchResponse(ocspUrlOf(leaf) ?? '', asked(leaf), true);

    assert.equal(response.status, 'good', serial);
    assert.equal(response.nextUpdate.getTime() - response.thisUpdate.getTime(), 60 * MINUTE_MS);
  }
});

test('revoked and unknown are answers, not failures', async () => {
  const [revoked, unknown] = [await leafOf(), await leafOf()];
  for (const { serialNumber } of [revoked, unknown]) responder.good.delete(serialNumber);
  responder.revoked.add(revoked.serialNumber);

  assert.equal((await fetchResponse(responder.url, asked(revoked), true)).status, 'revoked');
  assert.equal((await fetchResponse(responder.url, asked(unknown), true)).status, 'unknown');
});

test('§4.2.2.2: a delegate with OCSPSigning may sign, one without or of another CA may not', async () => {
  const leaf = await leafOf();
  const other = await createPki();
  const answerBy = async (signer: { pem: string; keyPem: string }) => {
    responder.serve(ca, signer);
    return fetchResponse(responder.url, asked(leaf), true);
  };

  assert.equal((await answerBy(await delegateOf(ca))).status, 'good');
  await assert.rejects(answerBy(await delegateOf(ca, false)), refused(/signature/));
  const foreign = { pem: other.intermediatePem, keyPem: other.intermediateKeyPem };
  await assert.rejects(answerBy(await delegateOf(foreign)), refused(/signature/));
});

test('refused: another certificate, a flipped bit, expired, of the future, outliving, no response at all', async () => {
  const [leaf, other] = [await leafOf(), await leafOf()];
  const body = await responder.answer(requestFor(leaf, issuer));
  const flipped = Buffer.from(body);
  // among the signed fields: the second half is the signer's certificate
  flipped[100] = (flipped[100] ?? 0) ^ 1;
  const at = (minutes: number) => asked(leaf, new Date(Date.now() + minutes * MINUTE_MS));
  responder.validMinutes = 100 * 24 * 60;
  const long = await responder.answer(requestFor(leaf, issuer));

  assert.throws(() => readResponse(body, asked(other)), refused(/another certificate/));
  assert.throws(() => readResponse(flipped, asked(leaf)), { code: 'ERR_OCSP' });
  assert.throws(() => readResponse(body, at(61)), refused(/expired/));
  assert.throws(() => readResponse(body, at(-30)), refused(/future/));
  assert.throws(() => readResponse(long, asked(leaf)), refused(/outlives/));
  assert.throws(() => readResponse(Buffer.from('300a0a0106', 'hex'), asked(leaf)), refused(/DER/));
  assert.throws(() => readResponse(Buffer.from('30030a0106', 'hex'), asked(leaf)), refused(/status 6/));
});

test('of single bits changed anywhere none is taken that openssl refuses, and no error is untyped', async () => {
  const leaf = await leafOf();
  for (const signer of [ca, await delegateOf(ca)]) {
    responder.serve(ca, signer);
    const body = await responder.answer(requestFor(leaf, issuer));
    const question = { ...asked(leaf), rootPem: pki.rootPem };
    assert.ok(await isTakenByOpenssl(body, question), 'openssl takes it unchanged');
    assert.equal(readResponse(body, question).status, 'good');

    const { tried, overtaken, untyped } = await flipBits(body, question, 83);

    assert.ok(tried > 60, `${tried}`);
    assert.deepEqual({ overtaken, untyped }, { overtaken: [], untyped: [] });
  }
});

test('BER that is no DER, and what follows the response, is refused: unused bits, long lengths, a second value', async () => {
  const leaf = await leafOf();
  const body = await responder.answer(requestFor(leaf, issuer));
  const long = Buffer.concat([Buffer.of(0x30, 0x83, 0), body.subarray(2, 4), body.subarray(4)]);
  const signature = body.indexOf(Buffer.from('06082a8648ce3d040302', 'hex')) + 10;
  const unused = Buffer.from(body);
  assert.equal(unused[signature], 3, 'a bit string follows the algorithm');
  unused[signature + 2] = 1;

  assert.equal(body[1], 0x82, 'two bytes of length');
  for (const changed of [long, unused, Buffer.concat([body, Buffer.of(0)]), Buffer.concat([body, body])]) {
    assert.throws(() => readResponse(changed, asked(leaf)), { code: 'ERR_OCSP' });
  }
});

test('whatever is cut off or altered is refused by name, never a crash', async () => {
  const leaf = await leafOf();
  const body = await responder.answer(requestFor(leaf, issuer));
  for (let length = 0; length < body.length; length += 3) {
    assert.throws(
      () => readResponse(body.subarray(0, length), asked(leaf)),
      { code: 'ERR_OCSP' },
      `${length}`,
    );
  }
});

test('a responder that does not answer is unreachable', async () => {
  const leaf = await leafOf();
  responder.httpStatus = 503;

  await assert.rejects(fetchResponse(responder.url, asked(leaf), true), { code: 'ERR_OCSP_UNREACHABLE' });
  await assert.rejects(fetchResponse('http://127.0.0.1:1/', asked(leaf), true), {
    code: 'ERR_OCSP_UNREACHABLE',
  });
});
