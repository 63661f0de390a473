/** Manifest entries: made of what a CA issued, compared among fleets, copied to a fleet that lacks one. */
import { MINUTE_MS } from '#common/time.ts';
import { digest, keyTypeOf, verify } from '#contract/combined-pem.ts';
import { BucketError, ContractError } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import {
  acmeOriginOf,
  type ManifestEntry,
  type PemRef,
  sameEntry,
  samePems,
  sameStapled,
} from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { certIdOf } from '../acme/cert-id.ts';
import type { CertificateSpec } from '../config/config.ts';
import { coversName, exactSet } from '../config/identifier.ts';
import { ocspUrlOf } from '../ocsp/request.ts';
import type { Obtained } from '../order/verify-issued.ts';
import type { Pass } from '../pass.ts';
import type { PemText, PublishedFleets } from './publisher.ts';
import { endedDigests } from './tombstones.ts';

export function newManifestEntry(
  spec: Pick<CertificateSpec, 'identifiers' | 'haproxy'>,
  issued: ManifestEntry['issued'],
  obtained: readonly Obtained[],
  now: Date,
): ManifestEntry {
  return {
    identifiers: spec.identifiers,
    publishedAt: now.toISOString(),
    issued,
    pems: obtained.map(pemRefOf),
    haproxy: spec.haproxy,
  };
}

/**
 * The newest publication among the certificate's fleets: after a crash between two fleets, one lags behind. Where none of them has it, that
 * of a fleet for which it is not configured any more: the certificate has moved, or the fleet was renamed.
 */
export function newestEntry(
  spec: CertificateSpec,
  manifests: PublishedFleets['manifests'],
): ManifestEntry | undefined {
  // What a tombstone of one of its fleets names cannot be published there: it is no certificate for all of them.
  const isEnded = (entry: ManifestEntry) => spec.fleets.some((fleet) => isEndedIn(manifests, fleet, entry));
  const entries = spec.fleets.flatMap((fleet) => entryIn(manifests, fleet, spec.name) ?? []);
  const own = newestOf(entries.filter((entry) => !isEnded(entry)));
  return own ?? newestOf(movedEntries(spec, manifests).filter((entry) => !isEnded(entry)));
}

/** Whether clients can be answered by it for all of them. */
export function hasNames(
  { identifiers }: Pick<ManifestEntry, 'identifiers'>,
  names: readonly string[],
): boolean {
  return names.every((name) => identifiers.some((held) => coversName(held, name)));
}

function movedEntries(spec: CertificateSpec, manifests: PublishedFleets['manifests']): ManifestEntry[] {
  const names = exactSet(spec.identifiers);
  return [...manifests.keys()]
    .flatMap((fleet) => entryIn(manifests, fleet, spec.name) ?? [])
    .filter((entry) =>
      spec.imported ? hasNames(entry, spec.identifiers) : exactSet(entry.identifiers) === names,
    );
}

function entryIn(
  manifests: PublishedFleets['manifests'],
  fleet: FleetName,
  name: CertificateName,
): ManifestEntry | undefined {
  return manifests.get(fleet)?.manifest.certificates[name];
}

function newestOf(entries: ManifestEntry[]): ManifestEntry | undefined {
  const ageOf = ({ publishedAt, pems }: ManifestEntry) =>
    [publishedAt, ...pems.map((pem) => pem.ocsp?.thisUpdate ?? '')].join();
  return entries.sort((a, b) => (ageOf(a) < ageOf(b) ? 1 : -1))[0];
}

/** Whether no fleet that has the newest publication has its PEMs. */
export function isLostEverywhere(spec: CertificateSpec, fleets: PublishedFleets): boolean {
  const newest = newestEntry(spec, fleets.manifests);
  if (newest === undefined) return false;
  const holders = [...fleets.manifests.keys()].filter((fleet) =>
    samePems(entryIn(fleets.manifests, fleet, spec.name), newest),
  );
  return holders.every((fleet) => isLostIn(fleets, fleet, spec.name, newest));
}

function isLostIn(
  { lostPems }: PublishedFleets,
  fleet: FleetName,
  name: CertificateName,
  { pems }: ManifestEntry,
): boolean {
  return pems.some(({ sha256 }) => lostPems?.has(layout.pem(fleet, name, sha256)));
}

/** Clocks may differ by so much. */
const SKEW_MS = 5 * MINUTE_MS;

/**
 * Publishes `newest` to those fleets of the certificate that lack it, have lost its PEMs, or have another line in crt-lists, without an
 * order. It is read from one of them, or from the fleet that it has moved from, and verified like a new issue. A fleet that an operator holds
 * gets nothing but what it has lost.
 * @throws BucketError, PemRejected, ContractError
 */
export async function copyToFleets(
  pass: Pick<Pass, 'bucket' | 'log' | 'timing'>,
  fleets: PublishedFleets,
  spec: CertificateSpec,
  newest: ManifestEntry,
): Promise<void> {
  const { haproxy: _, ...bare } = newest;
  const wanted = { ...bare, haproxy: spec.haproxy };
  const entryOf = (fleet: FleetName) => entryIn(fleets.manifests, fleet, spec.name);
  const isLost = (fleet: FleetName) => isLostIn(fleets, fleet, spec.name, newest);
  const holders = [...spec.fleets, ...fleets.manifests.keys()].filter((fleet) =>
    sameStapled(entryOf(fleet), newest),
  );
  const source = holders.find((fleet) => !isLost(fleet)) ?? holders[0];
  if (source === undefined) return;
  const lacking = spec.fleets
    .filter((fleet) => !sameEntry(entryOf(fleet), wanted) || (isLost(fleet) && fleet !== source))
    .filter((fleet) => !isEndedIn(fleets.manifests, fleet, newest))
    .filter((fleet) => sameEntry(entryOf(fleet), wanted) || fleets.holdIn?.(fleet, spec.name) === undefined);
  if (lacking.length === 0) return;
  const texts = await Promise.all(newest.pems.map((pem) => readPem(pass.bucket, source, spec.name, pem)));
  // What was imported may have more names than are configured, or one that covers them.
  const names = acmeOriginOf(newest) === undefined ? newest.identifiers : spec.identifiers;
  checkCopy({ name: spec.name, identifiers: names }, newest, { source, texts, now: pass.timing.now() });
  for (const fleet of lacking) {
    const publisher = fleets.publishers.get(fleet);
    if (isLost(fleet)) {
      await publisher?.restorePems(spec.name, texts);
      pass.log('pem.restored', { certificate: spec.name, fleet });
    }
    const result = await publisher?.publish(spec.name, wanted, texts, {
      action: 'copied',
      reason: `from ${source}`,
    });
    if (result === 'published') pass.log('manifest.published', { certificate: spec.name, fleet });
  }
}

function isEndedIn(
  manifests: PublishedFleets['manifests'],
  fleet: FleetName,
  { pems }: ManifestEntry,
): boolean {
  const ended = endedDigests(manifests.get(fleet)?.manifest.tombstones);
  return pems.some(({ sha256 }) => ended.has(sha256));
}

interface Copy {
  source: FleetName;
  texts: readonly PemText[];
  now: Date;
}

/** What one fleet has, or had, is no reason for another commit to believe it. @throws PemRejected, ContractError */
export function checkCopy(
  { identifiers, name }: Pick<CertificateSpec, 'identifiers' | 'name'>,
  { publishedAt, issued }: Pick<ManifestEntry, 'publishedAt'> & Partial<Pick<ManifestEntry, 'issued'>>,
  { source, texts, now }: Copy,
): void {
  if (Date.parse(publishedAt) > now.getTime() + SKEW_MS) {
    const says = `${name} says that it was published in the future (${publishedAt}): is the clock right?`;
    throw new ContractError('ERR_MANIFEST_SCHEMA', layout.root(source), says);
  }
  // How long its chain has to be was judged at its import.
  const isIssuedByRoot = issued?.origin === 'imported';
  for (const { sha256, text } of texts) verify(text, { identifiers, sha256, isIssuedByRoot }, now);
}

/** Reads a published PEM and its staple. @throws BucketError `ERR_BUCKET_IO` if one is missing or altered */
export async function readPem(
  bucket: Bucket,
  fleet: FleetName,
  name: CertificateName,
  { sha256, ocsp }: Pick<PemRef, 'sha256' | 'ocsp'>,
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

/** What a manifest says of a PEM, read from the PEM itself. */
export function pemRefOf({ text, pem }: Obtained): PemRef {
  return {
    sha256: digest(text),
    size: Buffer.byteLength(text),
    keyType: keyTypeOf(pem.leaf.publicKey),
    serial: pem.leaf.serialNumber,
    notBefore: new Date(pem.leaf.validFrom).toISOString(),
    notAfter: new Date(pem.leaf.validTo).toISOString(),
    chainLength: pem.chain.length,
    certId: certIdOf(pem.leaf),
    // Without its issuer's certificate no response can be verified.
    ocspUrl: pem.chain.length > 1 ? ocspUrlOf(pem.leaf) : undefined,
  };
}
