/** Manifest entries: made from what was issued, chosen among fleets, carried to a fleet that lacks one. */
import { digest, keyTypeOf } from '#contract/combined-pem.ts';
import { BucketError } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import { type ManifestEntry, type PemRef, sameEntry, sameStapled } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { certIdOf } from '../acme/cert-id.ts';
import type { CertificateSpec } from '../config/config.ts';
import { ocspUrlOf } from '../ocsp/request.ts';
import type { Obtained } from '../order/obtain.ts';
import type { Pass } from '../pass.ts';
import type { PemText, PublishedFleets } from './publisher.ts';

export function newManifestEntry(
  spec: CertificateSpec,
  issued: {
    directoryUrl: string;
    accountUrl: string;
    profile: string | undefined;
    preferredChain: string | undefined;
  },
  obtained: readonly Obtained[],
  now: Date,
): ManifestEntry {
  const { directoryUrl, accountUrl, profile, preferredChain } = issued;
  return {
    identifiers: spec.identifiers,
    publishedAt: now.toISOString(),
    issued: {
      directoryUrl,
      accountUrl,
      ...(profile !== undefined && { profile }),
      ...(preferredChain !== undefined && { preferredChain }),
    },
    pems: obtained.map(pemRefOf),
    ...(spec.haproxy && { haproxy: spec.haproxy }),
  };
}

/** The newest of a certificate's publications: after a crash between two fleets, one lags behind. */
export function newestEntry(
  spec: CertificateSpec,
  manifests: PublishedFleets['manifests'],
): ManifestEntry | undefined {
  const entries = spec.fleets.flatMap(
    (fleet) => manifests.get(fleet)?.manifest.certificates[spec.name] ?? [],
  );
  const ageOf = ({ publishedAt, pems }: ManifestEntry) =>
    [publishedAt, ...pems.map((pem) => pem.ocsp?.thisUpdate ?? '')].join();
  return entries.sort((a, b) => (ageOf(a) < ageOf(b) ? 1 : -1))[0];
}

/** Publishes `newest` to the certificate's fleets that do not have it, or list it otherwise; nothing is ordered for that. */
export async function copyToFleets(
  pass: Pick<Pass, 'bucket' | 'log'>,
  fleets: PublishedFleets,
  spec: CertificateSpec,
  newest: ManifestEntry,
): Promise<void> {
  const { haproxy: _, ...bare } = newest;
  const wanted = { ...bare, ...(spec.haproxy && { haproxy: spec.haproxy }) };
  const entryIn = (fleet: FleetName) => fleets.manifests.get(fleet)?.manifest.certificates[spec.name];
  const source = spec.fleets.find((fleet) => sameStapled(entryIn(fleet), newest));
  if (source === undefined) return;
  const lacking = spec.fleets.filter((fleet) => !sameEntry(entryIn(fleet), wanted));
  if (lacking.length === 0) return;
  const texts = await Promise.all(newest.pems.map((pem) => readPem(pass.bucket, source, spec.name, pem)));
  for (const fleet of lacking) {
    await fleets.publishers.get(fleet)?.publish(spec.name, wanted, texts);
    pass.log('manifest.published', { certificate: spec.name, fleet });
  }
}

/** @throws BucketError `ERR_BUCKET_IO` */
export async function readPem(
  bucket: Bucket,
  fleet: FleetName,
  name: CertificateName,
  { sha256, ocsp }: PemRef,
): Promise<PemText> {
  const body = await readWhole(bucket, layout.pem(fleet, name, sha256), sha256);
  const text = body.toString('utf8');
  if (ocsp === undefined) return { sha256, text };
  const staple = await readWhole(bucket, layout.ocsp(fleet, name, sha256, ocsp.sha256), ocsp.sha256);
  return { sha256, text, ocsp: { sha256: ocsp.sha256, body: staple } };
}

async function readWhole(bucket: Bucket, key: string, sha256: string): Promise<Buffer> {
  const object = await bucket.get(key);
  if (object === undefined || digest(object.body) !== sha256) {
    throw new BucketError('ERR_BUCKET_IO', key, 'is missing or altered');
  }
  return object.body;
}

function pemRefOf({ text, pem }: Obtained): PemRef {
  const certId = certIdOf(pem.leaf);
  const ocspUrl = ocspUrlOf(pem.leaf);
  return {
    sha256: digest(text),
    size: Buffer.byteLength(text),
    keyType: keyTypeOf(pem.leaf.publicKey),
    serial: pem.leaf.serialNumber,
    notBefore: new Date(pem.leaf.validFrom).toISOString(),
    notAfter: new Date(pem.leaf.validTo).toISOString(),
    chainLength: pem.chain.length,
    ...(certId !== undefined && { certId }),
    ...(ocspUrl !== undefined && { ocspUrl }),
  };
}
