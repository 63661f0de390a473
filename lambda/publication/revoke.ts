/**
 * Revocation by the operator. `pemfleet revoke` publishes a replacement with a fresh key before it, so that hosts
 * have something to serve.
 */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { inParallel } from '#common/in-parallel.ts';
import { isObjectFault } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import { acmeOriginOf, type ManifestEntry, type Tombstone, wordOf } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { AcmeProblem, NotOffered } from '../acme/problem.ts';
import { type RevocationReason, revokeByOwnKey, revokeCertificate } from '../acme/revocation.ts';
import type { Ca } from '../ca/ca.ts';
import type { CertificateSpec } from '../config/config.ts';
import type { Pass } from '../pass.ts';
import { IssuerMemory } from './ended.ts';
import { publishedFleets } from './fleets.ts';
import { keptLeaf, readHistory } from './history/history.ts';
import { listPems, readStoredPem } from './published-pems.ts';
import type { PublishedFleets } from './publisher.ts';
import { type OwnKeys, readManifest, readRoot } from './read-manifest.ts';
import { type EndedPem, endedPemOf } from './tombstones.ts';

/** PEMs that are read at the same time. */
const CONCURRENCY = 10;
/** Problems of an account that did not order the certificate (RFC 8555 §7.6), is not known, or cannot be registered any more. */
const OTHER_ACCOUNT: readonly string[] = [
  'unauthorized',
  'accountDoesNotExist',
  'externalAccountRequired',
  'userActionRequired',
];

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
  /** Its private key; undefined: deleted (keyRetention), the history has kept the certificate. */
  key?: KeyObject | undefined;
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
    const other = bySerial.get(serialNumber);
    const sha256s = [...(other?.sha256s ?? []), ...target.sha256s];
    bySerial.set(serialNumber, { ...target, key: target.key ?? other?.key, sha256s: [...new Set(sha256s)] });
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
  for (const target of targets) {
    const { leaf, directoryUrl } = target;
    const ca = cas.get(directoryUrl);
    if (ca === undefined) {
      throw new NotOffered(`${directoryUrl}, which issued ${leaf.serialNumber}, is not configured any more`);
    }
    const isNew = await revokeOne(ca, target, reason);
    if (isNew) log('certificate.revoked', { certificate: name, serial: leaf.serialNumber, reason });
    revocations.push({ certificate: name, serial: leaf.serialNumber, isNew });
  }
  return revocations;
}

/**
 * The account that ordered it may be lost. Who has the key may revoke it then; some CAs refuse that key from then on, so that it is done only
 * where it is compromised anyway.
 */
async function revokeOne(
  ca: Ca,
  { leaf, key, directoryUrl }: Pick<RevocationTarget, 'leaf' | 'key' | 'directoryUrl'>,
  reason: RevocationReason,
): Promise<boolean> {
  try {
    return await revokeCertificate(await ca.account(), leaf, reason);
  } catch (error) {
    if (!(error instanceof AcmeProblem) || !OTHER_ACCOUNT.includes(error.type)) throw error;
    const byEarlier = await revokeByEarlier(ca, leaf, reason);
    if (byEarlier !== undefined) return byEarlier;
    if (reason !== 'keyCompromise') {
      const says = `${leaf.serialNumber} was not ordered by this account, and only --reason keyCompromise signs with its own key`;
      throw new NotOffered(says, { cause: error });
    }
    if (key === undefined) {
      const says = `${leaf.serialNumber} was not ordered by this account, and its private key is deleted (keyRetention); ${byOwnKeyText(directoryUrl)}`;
      throw new NotOffered(says, { cause: error });
    }
    const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
    return revokeByOwnKey(await ca.signedBy(pem), leaf, reason);
  }
}

/** What whoever has the certificate and its key types (RFC 8555 §7.6). */
function byOwnKeyText(directoryUrl: string): string {
  return `whoever has its key revokes it: certbot revoke --server ${directoryUrl} --cert-path CERT --key-path KEY --reason keycompromise`;
}

/**
 * A version of which the history knows no more than its serial: its PEM is gone, by hand or by an earlier issuer.
 * @returns in words, how it is revoked; undefined: nothing is known of the serial
 */
export async function lostTargetText(
  bucket: Bucket,
  { name, fleets }: CertificateSpec,
  serial: string,
): Promise<string | undefined> {
  for (const fleet of fleets) {
    for (const { pems, issued, keyDeletedAt } of await readHistory(bucket, fleet, name)) {
      const pem = pems.find((one) => one.serial === serial.toUpperCase());
      const origin = issued && acmeOriginOf({ issued });
      if (pem === undefined || origin === undefined) continue;
      const since = keyDeletedAt === undefined ? '' : `, since ${keyDeletedAt}`;
      return `the bucket has the certificate ${pem.serial} and its key no more${since}, and the CA wants one of them: a CT log has the certificate (https://crt.sh/?serial=${pem.serial}); ${byOwnKeyText(origin.directoryUrl)}`;
    }
  }
  return undefined;
}

/** @returns undefined if none of the accounts before this one has ordered it */
async function revokeByEarlier(
  ca: Ca,
  leaf: RevocationTarget['leaf'],
  reason: RevocationReason,
): Promise<boolean | undefined> {
  for (const account of await ca.earlierAccounts()) {
    try {
      return await revokeCertificate(account, leaf, reason);
    } catch (error) {
      const isOther =
        error instanceof AcmeProblem && [...OTHER_ACCOUNT, 'accountDoesNotExist'].includes(error.type);
      if (!isOther) throw error;
    }
  }
  return undefined;
}

/** The certificate's fleets, and others that still serve it, or have its keys: it may have moved. @throws BucketError, ContractError */
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
      if (manifest?.certificates[name] !== undefined) return [fleet];
      return manifest !== undefined && (await readHistory(bucket, fleet, name)).length > 0 ? [fleet] : [];
    }),
  );
  return [...fleets, ...serving.flat()];
}

/** Of a PEM that was revoked before. */
export interface RevokedWord extends EndedPem {
  at: string;
}

/**
 * What hosts were told to give up because it is revoked: its CA has said so before. The issuer remembers that, whatever becomes of
 * `published/`.
 * @returns by digest. @throws BucketError, ContractError
 */
export async function revokedPems(
  bucket: Bucket,
  fleets: readonly FleetName[],
  name: CertificateName,
): Promise<Map<string, RevokedWord>> {
  const memory = new IssuerMemory(bucket);
  const revoked = new Map<string, RevokedWord>();
  for (const fleet of fleets) {
    const tombstone = (await memory.of(fleet)).tombstones[name];
    for (const pem of tombstone?.pems ?? []) {
      const { reason, at } = wordOf(tombstone as Tombstone, pem);
      if (reason === 'revoked') revoked.set(pem.sha256, { ...endedPemOf(pem), at });
    }
  }
  return revoked;
}

export function endedPemsOf(targets: readonly RevocationTarget[]): EndedPem[] {
  return targets.flatMap(({ sha256s, leaf }) => {
    const notAfter = new Date(leaf.validTo).toISOString();
    return sha256s.map((sha256) => ({ sha256, notAfter }));
  });
}

/** A tombstone in each fleet: hosts give the revoked certificate up, and no restored manifest brings it back. */
export async function endRevoked(
  publishers: PublishedFleets['publishers'],
  name: CertificateName,
  pems: readonly EndedPem[],
  reason: RevocationReason,
): Promise<void> {
  const options = { reason: 'revoked', isStolen: reason === 'keyCompromise' } as const;
  for (const publisher of publishers.values()) await publisher.endPems(name, pems, options);
}

async function targetsIn(
  bucket: Bucket,
  fleet: FleetName,
  name: CertificateName,
  { entry, serial }: { entry: ManifestEntry | undefined; serial: string | undefined },
): Promise<RevocationTarget[]> {
  if (entry === undefined) return [];
  const keyOf = (pem: { sha256: string }) => layout.pem(fleet, name, pem.sha256);
  const current = entry.pems.map(keyOf);
  const listed = serial === undefined ? current : await listPems(bucket, fleet, name);
  const keys = listed ?? (await knownPems(bucket, fleet, { name, entry })).map(keyOf);
  const read = await inParallel(
    keys,
    CONCURRENCY,
    (key) => readUnlessAnothers(bucket, key, current),
    (key) => key,
  );
  const wanted = read
    .filter((one) => one !== undefined)
    .filter(({ leaf }) => serial === undefined || leaf.serialNumber === serial.toUpperCase());
  const history = serial === undefined ? [] : await readHistory(bucket, fleet, name);
  const kept = history
    .flatMap(({ pems }) => pems)
    .filter((pem) => pem.serial === serial?.toUpperCase())
    .filter(({ sha256 }) => wanted.every((one) => one.sha256 !== sha256))
    .flatMap((pem) => {
      const leaf = keptLeaf(pem);
      return leaf === undefined ? [] : [{ sha256: pem.sha256, leaf, key: undefined }];
    });
  return [...wanted, ...kept].map(({ sha256, leaf, key }) => {
    const version = history.find(({ pems }) => pems.some((pem) => pem.sha256 === sha256));
    const origin = acmeOriginOf({ issued: version?.issued ?? entry.issued });
    if (origin === undefined) throw importedProblem(name, leaf);
    return { sha256s: [sha256], leaf, key, directoryUrl: origin.directoryUrl };
  });
}

/** Comparable: `equals` of two key types leaves an error of OpenSSL behind (Node 20). */
export function publicText(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'der' }).toString('base64');
}

/** No account of ours has ordered it (RFC 8555 §7.6). */
function importedProblem(name: CertificateName, { serialNumber, issuer }: X509Certificate): NotOffered {
  const seller = (issuer ?? '').split('\n').join(', ');
  return new NotOffered(
    `${name}: ${serialNumber} was imported, and no account of ours can revoke it: import another one, then ask its CA (${seller})`,
  );
}

/** Of a folder that cannot be listed: whoever may write there has filled it. */
async function knownPems(
  bucket: Bucket,
  fleet: FleetName,
  { name, entry }: { name: CertificateName; entry: ManifestEntry },
): Promise<readonly { sha256: string }[]> {
  const former = (await readHistory(bucket, fleet, name)).flatMap(({ pems }) => pems);
  const all = [...entry.pems, ...(entry.previous?.pems ?? []), ...former];
  return [...new Map(all.map((pem) => [pem.sha256, pem])).values()];
}

/** What lies beside the published ones and cannot be read holds nobody up. @throws BucketError, of the published ones in any case */
async function readUnlessAnothers(bucket: Bucket, key: string, published: readonly string[]) {
  try {
    return await readStoredPem(bucket, key);
  } catch (error) {
    if (isObjectFault(error) && !published.includes(key)) return undefined;
    throw error;
  }
}
