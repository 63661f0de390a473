/**
 * Revocation by the operator. `pemfleet revoke` publishes a replacement with a fresh key before it, so that hosts
 * have something to serve.
 */
import type { X509Certificate } from 'node:crypto';
import { digest, parse } from '#contract/combined-pem.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import { acmeOriginOf, type ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { NotOffered } from '../acme/problem.ts';
import { type RevocationReason, revokeCertificate } from '../acme/revocation.ts';
import type { CertificateSpec } from '../config/config.ts';
import type { Pass } from '../pass.ts';
import type { PublishedFleets } from './publisher.ts';
import { type OwnKeys, readManifest } from './read-manifest.ts';

export interface Revocation {
  certificate: CertificateName;
  serial: string;
  /** False: it was revoked already. */
  isNew: boolean;
}

/** A published certificate and the CA that issued it. */
export interface RevocationTarget {
  /** Of the combined PEM. */
  sha256: string;
  leaf: X509Certificate;
  directoryUrl: string;
}

/** @param serial of an earlier publication; undefined: the current certificate, both of a pair */
export async function findRevocationTargets(
  { bucket, signing }: { bucket: Bucket; signing: OwnKeys },
  spec: CertificateSpec,
  serial: string | undefined,
): Promise<RevocationTarget[]> {
  const targets = (
    await Promise.all(
      spec.fleets.map(async (fleet) => {
        const read = await readManifest(bucket, fleet, signing);
        return targetsIn(bucket, fleet, spec.name, { entry: read?.manifest.certificates[spec.name], serial });
      }),
    )
  ).flat();
  return [...new Map(targets.map((target) => [target.leaf.serialNumber, target])).values()];
}

export async function revokeTargets(
  { cas, log }: Pick<Pass, 'cas' | 'log'>,
  targets: readonly RevocationTarget[],
  name: CertificateName,
  reason: RevocationReason,
): Promise<Revocation[]> {
  const revocations: Revocation[] = [];
  for (const { leaf, directoryUrl } of targets) {
    const ca = cas.get(directoryUrl);
    if (ca === undefined) {
      throw new NotOffered(`${directoryUrl}, which issued ${leaf.serialNumber}, is not configured any more`);
    }
    const isNew = await revokeCertificate(await ca.account(), leaf, reason);
    log('certificate.revoked', { certificate: name, serial: leaf.serialNumber, reason });
    revocations.push({ certificate: name, serial: leaf.serialNumber, isNew });
  }
  return revocations;
}

/** A tombstone in each fleet: hosts give the revoked certificate up, and no restored manifest brings it back. */
export async function endRevoked(
  publishers: PublishedFleets['publishers'],
  name: CertificateName,
  targets: readonly RevocationTarget[],
): Promise<void> {
  const pems = targets.map(({ sha256, leaf }) => {
    return { sha256, notAfter: new Date(leaf.validTo).toISOString() };
  });
  for (const publisher of publishers.values()) await publisher.endPems(name, pems, { reason: 'revoked' });
}

async function targetsIn(
  bucket: Bucket,
  fleet: FleetName,
  name: CertificateName,
  { entry, serial }: { entry: ManifestEntry | undefined; serial: string | undefined },
): Promise<RevocationTarget[]> {
  if (entry === undefined) return [];
  const current = entry.pems.map((pem) => layout.pem(fleet, name, pem.sha256));
  const keys = serial === undefined ? current : await bucket.list(layout.pems(fleet, name));
  const read = await Promise.all(keys.map(async (key) => certificateOf(await bucket.get(key))));
  const wanted = read
    .filter((one) => one !== undefined)
    .filter(({ leaf }) => serial === undefined || leaf.serialNumber === serial.toUpperCase());
  const { directoryUrl = '' } = acmeOriginOf(entry) ?? {};
  return wanted.map((one) => ({ ...one, directoryUrl }));
}

function certificateOf(object: { body: Buffer } | undefined) {
  return object && { sha256: digest(object.body), leaf: parse(object.body.toString('utf8')).leaf };
}
