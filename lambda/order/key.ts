/** Keys of certificates: a fresh one for each order, or the published one where the configuration says so. */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { parse } from '#contract/combined-pem.ts';
import { layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { CertificateSpec } from '../config/config.ts';

const generate = promisify(generateKeyPair);

/** PKCS#8 PEM of a fresh key, generated off the main thread: RSA takes its time. */
export async function generateKey(keyType: string): Promise<string> {
  const privateKey = keyType.startsWith('rsa')
    ? (await generate('rsa', { modulusLength: Number(keyType.slice('rsa'.length)) })).privateKey
    : (await generate('ec', { namedCurve: keyType === 'ec384' ? 'P-384' : 'P-256' })).privateKey;
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** The key of the published PEM of this type, for `reuseKey`; a fresh one if there is none. */
export async function keyFor(
  bucket: Bucket,
  spec: CertificateSpec,
  keyType: string,
  published: ManifestEntry | undefined,
): Promise<string> {
  const ref = spec.reuseKey ? published?.pems.find((pem) => pem.keyType === keyType) : undefined;
  if (ref === undefined) return generateKey(keyType);
  for (const fleet of spec.fleets) {
    const object = await bucket.get(layout.pem(fleet, spec.name, ref.sha256));
    if (object !== undefined) {
      return parse(object.body.toString('utf8')).key.export({ type: 'pkcs8', format: 'pem' }).toString();
    }
  }
  return generateKey(keyType);
}
