// Publishes a certificate with its OCSP response, as the issuer does.
import { X509Certificate } from 'node:crypto';
import { digest } from '#contract/combined-pem.ts';
import { certificateName, layout } from '#contract/layout.ts';
import { fetchResponse } from '../../../lambda/ocsp/fetch.ts';
import type { OcspResponder } from '../parts/ocsp-responder.ts';
import { fleet } from './host.ts';
import { entryFor } from './publish.ts';
import type { Stage } from './stage.ts';

interface StapledPem {
  /** The certificate's name; it is for `NAME.test`. */
  name: string;
  combined: string;
  /** How long the response is good. */
  minutes: number;
  /** Bytes in place of a response. */
  given?: Buffer | undefined;
}

/** @returns the response */
export async function publishWithStaple(
  stage: Stage,
  responder: OcspResponder,
  { name, combined, minutes, given }: StapledPem,
): Promise<Buffer> {
  const { intermediatePem: pem, intermediateKeyPem: keyPem } = stage.pki;
  const [leaf, issuer] = [new X509Certificate(combined), new X509Certificate(pem)];
  responder.serve({ pem, keyPem });
  responder.good.add(leaf.serialNumber);
  responder.validMinutes = minutes;
  const fetched = await fetchResponse(responder.url, { leaf, issuer, now: new Date() }, true);
  const body = given ?? fetched.body;
  await stage.bucket.put(
    layout.ocsp(fleet, certificateName.parse(name), digest(combined), digest(body)),
    body,
  );
  const ocsp = {
    sha256: digest(body),
    thisUpdate: fetched.thisUpdate.toISOString(),
    nextUpdate: fetched.nextUpdate.toISOString(),
  };
  const entry = entryFor(combined, [`${name}.test`], { ocspUrl: responder.url, ocsp });
  await stage.publishBytes(name, combined, entry);
  return body;
}
