// RFC 6960: every single bit of OCSP responses changed; openssl(1) judges those that we take.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, test } from 'node:test';
import { requestFor } from '../../../lambda/ocsp/request.ts';
import { flipBits } from '../../support/parts/ocsp-bits.ts';
import { delegateOf, type OcspResponder, startOcspResponder } from '../../support/parts/ocsp-responder.ts';
import { createPki } from '../../support/parts/pki.ts';

const pki = await createPki();
const ca = { pem: pki.intermediatePem, keyPem: pki.intermediateKeyPem };
let responder: OcspResponder;
before(async () => {
  responder = await startOcspResponder();
});
after(() => responder.stop());

const SIGNERS = { issuer: async () => ca, delegate: () => delegateOf(ca) };

for (const [name, signerOf] of Object.entries(SIGNERS)) {
  test(`every bit of a response by the ${name}: none is taken that openssl refuses`, async () => {
    const [leaf, issuer] = [(await pki.issue({ names: ['a.test'] })).leafPem, ca.pem].map(
      (pem) => new X509Certificate(pem),
    ) as [X509Certificate, X509Certificate];
    responder.good.add(leaf.serialNumber);
    responder.serve(ca, await signerOf());
    const body = await responder.answer(requestFor(leaf, issuer));
    const report = await flipBits(body, { leaf, issuer, now: new Date(), rootPem: pki.rootPem });

    assert.equal(report.tried, body.length * 8);
    assert.deepEqual(report, { ...report, overtaken: [], untyped: [] });
  });
}
