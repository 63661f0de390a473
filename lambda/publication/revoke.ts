/**
 * Revocation by the operator. `pemfleet revoke` publishes a replacement with a fresh key before it, so that hosts
 * have something to serve.
 */
import type { X509Certificate } from 'node:crypto';
import { parse } from '#contract/combined-pem.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import { acmeOriginOf } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { NotOffered } from '../acme/problem.ts';
import { type RevocationReason, revokeCertificate } from '../acme/revocation.ts';
import type { CertificateSpec } from '../config/config.ts';
import type { Pass } from '../pass.ts';
import { readManifest } from './publisher.ts';

export interface Revocation {
  certificate: CertificateName;
  serial: string;
  /** False: it was revoked already. */
  isNew: boolean;
}

/** A published certificate and the CA that issued it. */
export interface RevocationTarget {
  leaf: X509Certificate;
  directoryUrl: string;
}

/** @param serial of an earlier publication; undefined: the current certificate, both of a pair */
export async function findRevocationTargets(
  bucket: Bucket,
  spec: CertificateSpec,
  serial: string | undefined,
): Promise<RevocationTarget[]> {
  const targets = (
    await Promise.all(spec.fleets.map((fleet) => targetsIn(bucket, fleet, spec.name, serial)))
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

async function targetsIn(
  bucket: Bucket,
  fleet: FleetName,
  name: CertificateName,
  serial: string | undefined,
): Promise<RevocationTarget[]> {
  const entry = (await readManifest(bucket, fleet))?.manifest.certificates[name];
  if (entry === undefined) return [];
  const current = entry.pems.map((pem) => layout.pem(fleet, name, pem.sha256));
  const keys = serial === undefined ? current : await bucket.list(layout.pems(fleet, name));
  const leaves = await Promise.all(keys.map(async (key) => leafOf(await bucket.get(key))));
  const wanted = leaves
    .filter((leaf) => leaf !== undefined)
    .filter((leaf) => serial === undefined || leaf.serialNumber === serial.toUpperCase());
  const { directoryUrl = '' } = acmeOriginOf(entry) ?? {};
  return wanted.map((leaf) => ({ leaf, directoryUrl }));
}

function leafOf(object: { body: Buffer } | undefined): X509Certificate | undefined {
  return object && parse(object.body.toString('utf8')).leaf;
}
