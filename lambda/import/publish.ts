/**
 * Publishes a certificate that nobody orders now: a bought one, one of an internal CA, or one that another ACME client has obtained. It
 * goes the way of every other: verified, stapled, one signed commit for each fleet, a line in the audit trail.
 */
import { digest, namesOf, verify } from '#contract/combined-pem.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import { acmeOriginOf, type ManifestEntry, samePems } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { AuditTrail } from '../audit/trail.ts';
import { readHighestSequence } from '../fleet/read-reports.ts';
import type { Log } from '../log.ts';
import { newManifestEntry } from '../publication/entry.ts';
import { type EndedVersion, readVersions } from '../publication/history/versions.ts';
import { type PemText, Publisher } from '../publication/publisher.ts';
import type { ReadManifest } from '../publication/read-manifest.ts';
import type { StapleFetcher } from '../publication/staples.ts';
import type { Signing } from '../signing/signing-key.ts';
import { publisherOptions } from '../upgrade/along.ts';
import { ImportRefused } from './refused.ts';

/** A certificate that is there already, and where it is to be published. */
export interface PresentCertificate {
  name: CertificateName;
  fleets: readonly FleetName[];
  /** Combined PEMs in the canonical form (`assemble`): one, or two with different key types that belong together. */
  texts: readonly string[];
  /** Of none of them there is an intermediate: a root has issued the leaf itself. */
  isIssuedByRoot?: boolean | undefined;
  /** `{ origin: 'imported', importedAt }`; or the CA and the account that have issued it, so that its next renewal is ordered there. */
  issued: ManifestEntry['issued'];
  /** As configured; absent: all names of the leaf. */
  identifiers?: readonly string[] | undefined;
  haproxy?: ManifestEntry['haproxy'];
}

export interface PresentSource {
  bucket: Bucket;
  /** Of a dry run: `openSigningKey(…, { dryRun: true })`. */
  signing: Signing;
  now: () => Date;
  log: Log;
  /** Absent: no OCSP response is fetched; the next pass does. */
  fetcher?: Pick<StapleFetcher, 'staple' | 'revoked'> | undefined;
  audit?: AuditTrail | undefined;
}

/** Verified, and compared with what is published. */
export interface PresentPlan {
  name: CertificateName;
  entry: ManifestEntry;
  texts: PemText[];
  fleets: PresentInFleet[];
}

export interface PresentInFleet {
  fleet: FleetName;
  /** What the fleet has of this name now. */
  current: ManifestEntry | undefined;
  /** It has these PEMs already. */
  isPublished: boolean;
}

/**
 * Reads only, but for the OCSP responder.
 * @throws PemRejected, ImportRefused if an operator has ended one of its PEMs there or its CA has revoked it, BucketError, ContractError
 */
export async function planPresent(source: PresentSource, present: PresentCertificate): Promise<PresentPlan> {
  const { bucket, signing, fetcher } = source;
  const { name, haproxy, isIssuedByRoot } = present;
  const now = source.now();
  const obtained = present.texts.map((text) => {
    const pem = verify(text, { identifiers: present.identifiers ?? [], isIssuedByRoot }, now);
    return { text, pem };
  });
  const [first] = obtained;
  if (first === undefined) throw new TypeError(`${name}: no PEM`);
  const identifiers = [...(present.identifiers ?? namesOf(first.pem.leaf))];
  const bare = newManifestEntry({ identifiers, haproxy }, present.issued, obtained, now);
  const texts = obtained.map(({ text }) => ({ sha256: digest(text), text }));
  const fleets: PresentInFleet[] = [];
  for (const fleet of present.fleets) {
    const { entry: current, ended } = await readVersions({ bucket, keys: signing }, fleet, name);
    refuseEnded(name, bare, ended);
    fleets.push({ fleet, current, isPublished: current !== undefined && samePems(current, bare) });
  }
  const stapled = await fetcher?.staple({ name, entry: bare }, texts);
  const revoked = bare.pems.find(({ sha256 }) => fetcher?.revoked.has(sha256));
  if (revoked !== undefined) {
    throw new ImportRefused(`${name}: its CA says that ${revoked.serial} is revoked: import another one`);
  }
  const entry = { ...bare, pems: stapled?.pems ?? bare.pems };
  return { name, entry, texts: stapled?.texts ?? texts, fleets };
}

function refuseEnded(name: CertificateName, { pems }: ManifestEntry, ended: readonly EndedVersion[]): void {
  for (const { sha256, fleet, word } of ended) {
    const pem = pems.find((one) => one.sha256 === sha256);
    if (pem === undefined) continue;
    throw new ImportRefused(
      `${name}: ${pem.serial} was ${word.reason} at ${word.at} in fleet ${fleet}, and never comes back: import another one`,
    );
  }
}

/** What the fleets have now, for the call of their hosts. */
export interface PresentPublished {
  changed: FleetName[];
  manifests: Map<FleetName, ReadManifest>;
}

/**
 * One commit for each fleet; alone on the bucket (`bucket.exclusively('pass', …)`). What is published already stays as it is.
 * @param reason for the audit trail, whose action is `imported`, or `adopted` for what has an ACME account
 * @throws BucketError, ContractError
 */
export async function publishPresent(
  source: PresentSource,
  plan: PresentPlan,
  reason?: string,
): Promise<PresentPublished> {
  const { bucket, signing, now, log, audit } = source;
  const { name, entry, texts } = plan;
  const published: PresentPublished = { changed: [], manifests: new Map() };
  const action = acmeOriginOf(entry) === undefined ? 'imported' : 'adopted';
  for (const { fleet } of plan.fleets) {
    const highest = await readHighestSequence(bucket, fleet, { keys: signing, now: now() });
    const publisher = new Publisher(bucket, fleet, {
      ...publisherOptions(bucket, signing, now, log),
      ...{ floorOf: async () => highest, audit },
    });
    const result = await publisher.publish(name, entry, texts, { action, reason });
    if (result === 'unchanged') continue;
    log('certificate.imported', { certificate: name, fleet, serial: entry.pems[0]?.serial });
    published.changed.push(fleet);
    if (publisher.latest !== undefined) published.manifests.set(fleet, publisher.latest);
  }
  await audit?.flush();
  return published;
}
