/**
 * Revocation by the operator. `pemfleet revoke` publishes a replacement with a fresh key before it, so that hosts
 * have something to serve.
 */
import type { X509Certificate } from 'node:crypto';
import { inParallel } from '#common/in-parallel.ts';
import { digest, parse } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import { acmeOriginOf, type ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { NotOffered } from '../acme/problem.ts';
import { type RevocationReason, revokeCertificate } from '../acme/revocation.ts';
import type { CertificateSpec } from '../config/config.ts';
import type { Pass } from '../pass.ts';
import { IssuerMemory } from './ended.ts';
import { publishedFleets } from './fleets.ts';
import type { PublishedFleets } from './publisher.ts';
import { type OwnKeys, readManifest, readRoot } from './read-manifest.ts';

/** PEMs that are read at the same time. */
const CONCURRENCY = 10;

export interface Revocation {
  certificate: CertificateName;
  serial: string;
  /** False: it was revoked already. */
  isNew: boolean;
}

/** A published certificate and the CA that issued it. */
export interface RevocationTarget {
  /** Of the combined PEMs that hold it: one, if nobody assembled it anew. */
  sha256s: readonly string[];
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
  const bySerial = new Map<string, RevocationTarget>();
  for (const target of targets) {
    const { serialNumber } = target.leaf;
    const sha256s = [...(bySerial.get(serialNumber)?.sha256s ?? []), ...target.sha256s];
    bySerial.set(serialNumber, { ...target, sha256s: [...new Set(sha256s)] });
  }
  return [...bySerial.values()];
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

/** The certificate's fleets, and others that still serve it: it may have moved. @throws BucketError, ContractError */
export async function fleetsOfRevoked(
  { bucket, signing }: { bucket: Bucket; signing: OwnKeys },
  { name, fleets }: CertificateSpec,
): Promise<FleetName[]> {
  const others = (await publishedFleets(bucket)).filter((fleet) => !fleets.includes(fleet));
  const memory = new IssuerMemory(bucket);
  const serving = await Promise.all(
    others.map(async (fleet) => {
      // Somebody else's root there says nothing about what this issuer has published.
      const { manifest } = await readRoot(bucket, fleet, signing, memory);
      return manifest?.certificates[name] === undefined ? [] : [fleet];
    }),
  );
  return [...fleets, ...serving.flat()];
}

/** A tombstone in each fleet: hosts give the revoked certificate up, and no restored manifest brings it back. */
export async function endRevoked(
  publishers: PublishedFleets['publishers'],
  name: CertificateName,
  targets: readonly RevocationTarget[],
): Promise<void> {
  const pems = targets.flatMap(({ sha256s, leaf }) => {
    const notAfter = new Date(leaf.validTo).toISOString();
    return sha256s.map((sha256) => ({ sha256, notAfter }));
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
  const isPem = (key: string) => key.endsWith('.pem');
  const keys = serial === undefined ? current : (await bucket.list(layout.pems(fleet, name))).filter(isPem);
  const read = await inParallel(
    keys,
    CONCURRENCY,
    (key) => readCertificate(bucket, key),
    (key) => key,
  );
  const wanted = read
    .filter((one) => one !== undefined)
    .filter(({ leaf }) => serial === undefined || leaf.serialNumber === serial.toUpperCase());
  const { directoryUrl = '' } = acmeOriginOf(entry) ?? {};
  return wanted.map(({ sha256, leaf }) => ({ sha256s: [sha256], leaf, directoryUrl }));
}

/** @returns undefined for what is not what its key says: no issuer has put it there */
async function readCertificate(
  bucket: Bucket,
  key: string,
): Promise<{ sha256: string; leaf: X509Certificate } | undefined> {
  const object = await bucket.get(key);
  const sha256 = object && digest(object.body);
  if (sha256 === undefined || !key.endsWith(`/${sha256}.pem`)) return undefined;
  try {
    return { sha256, leaf: parse(object?.body.toString('utf8') ?? '').leaf };
  } catch (error) {
    if (error instanceof PemRejected) return undefined;
    throw error;
  }
}
