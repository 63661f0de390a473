/** Which earlier version of a certificate may be published again, and what speaks against the others. */
import type { X509Certificate } from 'node:crypto';
import { atMost } from '#common/in-parallel.ts';
import { keyTypeOf, parse } from '#contract/combined-pem.ts';
import { ContractError, isObjectFault, messageOf, PemRejected } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { CertificateSpec } from '../../config/config.ts';
import { exactSet } from '../../config/identifier.ts';
import { checkCopy, hasNames, pemRefOf, readPem } from '../entry.ts';
import type { PemText } from '../publisher.ts';
import type { CertificateVersions, EndedVersion, KnownVersion } from './versions.ts';

/** A version that can be published again: verified like a new issue. */
export interface RollbackTarget {
  version: KnownVersion;
  entry: ManifestEntry;
  texts: PemText[];
  /** In which it differs from what is configured: the next pass orders another one. */
  differences: string[];
}

export interface RollbackSubject {
  name: CertificateName;
  /** In every fleet: what one fleet must not have, no other one gets. */
  ended: readonly EndedVersion[];
  /** Undefined: it is not configured. */
  spec: CertificateSpec | undefined;
  now: Date;
}

/** A version, as one of the fleets knows it. */
export interface RollbackCandidate {
  of: CertificateVersions;
  version: KnownVersion;
}

export interface RollbackChoice {
  /** The best first. */
  candidates: RollbackCandidate[];
  /** An earlier rollback that this one finishes, or finds done: typed twice, it is one rollback. */
  standing: ManifestEntry | undefined;
}

/**
 * Pure. Without a serial, what was published last is what somebody wants to be rid of, unless a rollback has published it: then the fleets that
 * have something else still get that.
 * @param known of the fleets to which it is published
 */
export function rollbackChoice(
  known: readonly CertificateVersions[],
  isMeant: ((version: KnownVersion) => boolean) | undefined,
): RollbackChoice {
  const newest = known
    .flatMap(({ entry }) => entry ?? [])
    .reduce<ManifestEntry | undefined>(
      (last, entry) => (last === undefined || entry.publishedAt > last.publishedAt ? entry : last),
      undefined,
    );
  const standing = isMeant === undefined && newest?.rolledBackAt !== undefined ? newest : undefined;
  const isWanted = (version: KnownVersion) => {
    if (isMeant !== undefined) return isMeant(version);
    if (standing !== undefined) return hasPemsOf(version, standing);
    return newest === undefined || (!hasPemsOf(version, newest) && version.publishedAt <= newest.publishedAt);
  };
  const candidates = known
    .flatMap((of) => of.versions.map((version) => ({ of, version })))
    .filter(({ version }) => isWanted(version))
    .sort((a, b) => Date.parse(b.version.publishedAt) - Date.parse(a.version.publishedAt));
  return { candidates, standing };
}

/** @returns those in which something else is in force, or nothing */
export function fleetsWithout(
  { pems }: Pick<KnownVersion, 'pems'>,
  fleets: readonly FleetName[],
  known: readonly CertificateVersions[],
): FleetName[] {
  const having = known.filter(({ entry }) => entry !== undefined && hasPemsOf({ pems }, entry));
  return fleets.filter((fleet) => having.every((one) => one.fleet !== fleet));
}

function hasPemsOf({ pems }: Pick<KnownVersion, 'pems'>, entry: ManifestEntry): boolean {
  return pems.map(({ sha256 }) => sha256).join() === entry.pems.map(({ sha256 }) => sha256).join();
}

/** @returns why it must not be published again; undefined if nothing but its PEMs can tell */
export function rollbackProblem(
  { pems, isKeyThere, keyDeletedAt }: KnownVersion,
  { ended, now }: Pick<RollbackSubject, 'ended' | 'now'>,
): string | undefined {
  const end = ended.find(({ sha256 }) => pems.some((pem) => pem.sha256 === sha256));
  if (end !== undefined) return `was ${end.word.reason} at ${end.word.at} in fleet ${end.fleet}`;
  if (pems.length === 0) return 'names no PEM';
  const expired = pems.find(({ notAfter }) => new Date(notAfter) <= now);
  if (expired !== undefined) return `expired at ${expired.notAfter}`;
  if (isKeyThere) return undefined;
  const since = keyDeletedAt === undefined ? '' : `: it was deleted at ${keyDeletedAt} (keyRetention)`;
  return `has no private key in the bucket any more${since}`;
}

/** @returns the problem in words, where its PEMs are not what they should be. @throws BucketError where the store is out of reach */
export async function openRollback(
  bucket: Bucket,
  { fleet, entry: current }: CertificateVersions,
  version: KnownVersion,
  { name, spec, ended, now }: RollbackSubject,
): Promise<RollbackTarget | string> {
  const { identifiers = current?.identifiers, issued = current?.issued } = version;
  if (identifiers === undefined || issued === undefined) return 'is known by its serial only';
  try {
    const texts = await Promise.all(
      version.pems.map(({ sha256 }) => readPem(bucket, fleet, name, { sha256 })),
    );
    checkCopy({ identifiers, name }, { ...version, issued }, { source: fleet, texts, now });
    const parsed = texts.map(({ text }) => ({ text, pem: parse(text) }));
    const lost = await endedKeys(bucket, name, ended);
    if (parsed.some(({ pem }) => lost.has(publicKeyOf(pem.leaf))))
      return 'has the key of a version that was revoked or withdrawn';
    const isUnsure = lost.has(UNKNOWN_KEY) && (spec?.reuseKey ?? true);
    if (isUnsure) return 'may have the key of a version that was revoked or withdrawn, and whose PEM is gone';
    const at = now.toISOString();
    const haproxy = spec === undefined ? current?.haproxy : spec.haproxy;
    const pems = parsed.map(pemRefOf);
    const entry = {
      identifiers,
      publishedAt: at,
      rolledBackAt: at,
      issued,
      pems,
      ...(haproxy && { haproxy }),
    };
    const keyTypes = parsed.map(({ pem }) => keyTypeOf(pem.leaf.publicKey)).sort();
    const differences = spec === undefined ? [] : differencesOf(spec, identifiers, keyTypes);
    return { version, entry, texts, differences };
  } catch (error) {
    const isOfPem = error instanceof PemRejected || error instanceof ContractError || isObjectFault(error);
    if (!isOfPem) throw error;
    return `cannot be published: ${messageOf(error)}`;
  }
}

const UNKNOWN_KEY = 'unknown';

const publicKeyOf = ({ publicKey }: X509Certificate) =>
  publicKey.export({ type: 'spki', format: 'der' }).toString('base64');

const AT_ONCE = 10;

/** A key that is used again is as lost as the one that was revoked. */
async function endedKeys(
  bucket: Bucket,
  name: CertificateName,
  ended: readonly EndedVersion[],
): Promise<ReadonlySet<string>> {
  const limited = atMost(AT_ONCE);
  const keyOf = async ({ fleet, sha256 }: EndedVersion) => {
    try {
      return publicKeyOf(parse((await readPem(bucket, fleet, name, { sha256 })).text).leaf);
    } catch (error) {
      if (isObjectFault(error) || error instanceof PemRejected) return UNKNOWN_KEY;
      throw error;
    }
  };
  return new Set(await Promise.all(ended.map((one) => limited(() => keyOf(one)))));
}

function differencesOf(
  spec: CertificateSpec,
  identifiers: readonly string[],
  keyTypes: readonly string[],
): string[] {
  // Nothing else is ordered in its place.
  if (spec.imported && hasNames({ identifiers: [...identifiers] }, spec.identifiers)) return [];
  const [names, wanted] = [exactSet(identifiers), exactSet(spec.identifiers)];
  return [
    ...(names === wanted ? [] : [`names ${names}, configured ${wanted}`]),
    ...(keyTypes.join() === spec.keyTypes.join()
      ? []
      : [`key type ${keyTypes.join()}, configured ${spec.keyTypes.join()}`]),
  ];
}

/** Where it is published: for what is configured, all of its fleets, so that none of them brings the other version back. */
export function rollbackFleets(
  spec: CertificateSpec | undefined,
  known: readonly CertificateVersions[],
): FleetName[] {
  if (spec !== undefined) return spec.fleets;
  return known.filter(({ entry }) => entry !== undefined).map(({ fleet }) => fleet);
}
