/**
 * What is revoked now, by a command or a pass: at the CA first, then hosts give it up, then a stolen key is deleted, and the request goes last:
 * whoever is killed in between leaves it, and the next one does the rest.
 */
import { BucketError, isObjectFault } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { RevocationReason } from '../acme/revocation.ts';
import type { Pass } from '../pass.ts';
import { keptLeaf, readHistory } from '../publication/history/history.ts';
import { eraseStolenKeys } from '../publication/history/stolen-keys.ts';
import { readStoredPem } from '../publication/published-pems.ts';
import type { PublishedFleets } from '../publication/publisher.ts';
import { endRevoked, type Revocation, type RevocationTarget, revokeTargets } from '../publication/revoke.ts';
import { type RevokingPem, takeOutOfRevocation } from './revocations.ts';

type Source = Pick<Pass, 'audit' | 'bucket' | 'cas' | 'log' | 'signing'>;

export interface RevokedPlace {
  certificate: CertificateName;
  /** All that serve it. */
  fleets: readonly FleetName[];
  publishers: PublishedFleets['publishers'];
  now: Date;
}

/** @returns also what could not be deleted, in words. @throws AcmeProblem and what else the CA says; BucketError, ContractError */
export async function revokeAndErase(
  source: Source,
  { certificate, fleets, publishers, now }: RevokedPlace,
  { targets, reason, by }: { targets: readonly RevocationTarget[]; reason: RevocationReason; by?: string },
): Promise<{ revocations: Revocation[]; problems: readonly string[] }> {
  const { audit, bucket } = source;
  const revocations = await revokeTargets(source, targets, certificate, reason);
  const before = revocations.map(({ serial }) => serial);
  const why = by === undefined ? reason : `${reason}: ${by}`;
  await audit?.record([{ action: 'revoked-at-ca', certificate, before, reason: why }]);
  await endRevoked(publishers, certificate, { targets, reason });
  const stolen = { name: certificate, keys: targets.map(({ leaf }) => leaf.publicKey), now };
  const problems = reason === 'keyCompromise' ? await eraseStolenKeys(source, fleets, stolen) : [];
  const sha256s = targets.flatMap((target) => target.sha256s);
  await takeOutOfRevocation(bucket, certificate, new Set(sha256s));
  return { revocations, problems };
}

/** As the bucket still has them in one of the fleets. @throws BucketError where it has not: the CA wants the certificate itself */
export async function targetsOfRequest(
  bucket: Bucket,
  { certificate, fleets }: Pick<RevokedPlace, 'certificate' | 'fleets'>,
  pems: readonly RevokingPem[],
): Promise<RevocationTarget[]> {
  const bySerial = new Map<string, RevocationTarget>();
  for (const { sha256, serial, directoryUrl } of pems) {
    const keys = fleets.map((fleet) => layout.pem(fleet, certificate, sha256));
    const { leaf, key } = await readFromOneOf(bucket, keys, () =>
      readKept(bucket, { certificate, fleets }, sha256),
    );
    const sha256s = [...(bySerial.get(serial)?.sha256s ?? []), sha256];
    bySerial.set(serial, { sha256s, leaf, ...(key && { key }), directoryUrl });
  }
  return [...bySerial.values()];
}

/** Of a PEM that keyRetention has deleted with its key. */
async function readKept(
  bucket: Bucket,
  { certificate, fleets }: Pick<RevokedPlace, 'certificate' | 'fleets'>,
  sha256: string,
): Promise<HeldTarget | undefined> {
  for (const fleet of fleets) {
    const pems = (await readHistory(bucket, fleet, certificate)).flatMap((version) => version.pems);
    const leaf = pems.flatMap((pem) => (pem.sha256 === sha256 ? (keptLeaf(pem) ?? []) : []))[0];
    if (leaf !== undefined) return { leaf };
  }
  return undefined;
}

type HeldTarget = Pick<RevocationTarget, 'leaf' | 'key'>;

async function readFromOneOf(
  bucket: Bucket,
  keys: readonly string[],
  otherwise: () => Promise<HeldTarget | undefined>,
): Promise<HeldTarget> {
  let fault: BucketError | undefined;
  for (const key of keys) {
    try {
      const stored = await readStoredPem(bucket, key);
      if (stored !== undefined) return stored;
    } catch (error) {
      if (!isObjectFault(error)) throw error;
      fault = error;
    }
  }
  const kept = await otherwise();
  if (kept !== undefined) return kept;
  throw (
    fault ??
    new BucketError('ERR_BUCKET_IO', keys[0] ?? layout.publishedFleets, 'the bucket has the PEM no more')
  );
}
