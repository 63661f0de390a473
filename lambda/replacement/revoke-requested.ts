/**
 * What is revoked now, by a command or a pass: at the CA first, then hosts give it up, then a stolen key is deleted, and the request goes last:
 * whoever is killed in between leaves it, and the next one does the rest.
 */
import type { X509Certificate } from 'node:crypto';
import { BucketError, isObjectFault } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { RevocationReason } from '../acme/revocation.ts';
import { storeNow } from '../identity/store-clock.ts';
import type { Pass } from '../pass.ts';
import { keptLeaf, noteRevoked, readHistory } from '../publication/history/history.ts';
import { eraseStolenKeys } from '../publication/history/stolen-keys.ts';
import { readStoredPem } from '../publication/published-pems.ts';
import type { PublishedFleets } from '../publication/publisher.ts';
import {
  endedPemsOf,
  endRevoked,
  type Revocation,
  type RevocationTarget,
  revokedPems,
  revokeTargets,
} from '../publication/revoke.ts';
import type { EndedPem } from '../publication/tombstones.ts';
import { type RevokingPem, takeOutOfRevocation } from './revocations.ts';

type Source = Pick<Pass, 'audit' | 'bucket' | 'cas' | 'log' | 'signing'>;

export interface RevokedPlace {
  certificate: CertificateName;
  /** All that serve it. */
  fleets: readonly FleetName[];
  publishers: PublishedFleets['publishers'];
  now: Date;
}

/** What is revoked by one word. */
export interface RequestTargets {
  targets: readonly RevocationTarget[];
  /** Revoked before, and the bucket has neither PEM nor certificate any more: the CA cannot be told again, and need not be. */
  gone: readonly (EndedPem & { serial: string })[];
}

export interface Revoked {
  revocations: Revocation[];
  /** What could not be deleted, in words. */
  problems: readonly string[];
  /** A stolen key is still in the bucket: the request stays, and the next pass tries again. */
  isKeyLeft: boolean;
}

const NO_KEY = { problems: [], isKeyLeft: false };

/** @throws AcmeProblem and what else the CA says; BucketError, ContractError */
export async function revokeAndErase(
  source: Source,
  { certificate, fleets, publishers, now }: RevokedPlace,
  { targets, gone, reason, by }: RequestTargets & { reason: RevocationReason; by?: string | undefined },
): Promise<Revoked> {
  const { audit, bucket } = source;
  const before = await revokedPems(bucket, fleets, certificate);
  const revocations = await revokeTargets(source, targets, certificate, reason);
  await recordRevoked(audit, { certificate, reason, by }, { targets, before, revocations });
  await endRevoked(publishers, certificate, [...endedPemsOf(targets), ...gone], reason);
  const serials = [...targets.map(({ leaf }) => leaf.serialNumber), ...gone.map(({ serial }) => serial)];
  const again = serials.map((serial) => eraseAgainText(certificate, serial)).join(', ');
  const stolen = { name: certificate, keys: targets.map(({ leaf }) => leaf.publicKey), now, again };
  const erased = reason === 'keyCompromise' ? await eraseStolenKeys(source, fleets, stolen) : NO_KEY;
  const sha256s = [...targets.flatMap((target) => target.sha256s), ...gone.map(({ sha256 }) => sha256)];
  const at = storeNow(bucket, now);
  for (const fleet of fleets) {
    await noteRevoked(bucket, [fleet, certificate], new Set(sha256s), { at, reason });
  }
  if (!erased.isKeyLeft) await takeOutOfRevocation(bucket, certificate, new Set(sha256s), reason);
  return { revocations, ...erased };
}

/** Without its serial, it could mean what has taken its place. */
export function eraseAgainText(certificate: CertificateName, serial: string): string {
  return `pemfleet revoke ${certificate} --serial ${serial} --reason keyCompromise --now`;
}

/** Once: what is tried again because a key is still there says nothing new. */
async function recordRevoked(
  audit: Source['audit'],
  { certificate, reason, by }: { certificate: CertificateName; reason: string; by?: string | undefined },
  done: Pick<RequestTargets, 'targets'> & {
    before: ReadonlyMap<string, unknown>;
    revocations: readonly Revocation[];
  },
): Promise<void> {
  const isKnown = done.targets.every(({ sha256s }) => sha256s.every((sha256) => done.before.has(sha256)));
  if (isKnown && done.revocations.every(({ isNew }) => !isNew)) return;
  const before = done.revocations.map(({ serial }) => serial);
  const why = by === undefined ? reason : `${reason}: ${by}`;
  await audit?.record([{ action: 'revoked-at-ca', certificate, before, reason: why }]);
}

/** As the bucket still has them in one of the fleets. @throws BucketError where it has not: the CA wants the certificate itself */
export async function targetsOfRequest(
  bucket: Bucket,
  { certificate, fleets }: Pick<RevokedPlace, 'certificate' | 'fleets'>,
  pems: readonly RevokingPem[],
): Promise<RequestTargets> {
  const before = await revokedPems(bucket, fleets, certificate);
  const bySerial = new Map<string, RevocationTarget>();
  const gone: (EndedPem & { serial: string })[] = [];
  for (const { sha256, serial, directoryUrl } of pems) {
    const found = await readHeld(bucket, { certificate, fleets }, sha256);
    const word = before.get(sha256);
    if (found instanceof BucketError) {
      if (word === undefined) throw found;
      gone.push({ sha256, notAfter: word.notAfter, serial });
      continue;
    }
    const { leaf, key } = found;
    const sha256s = [...(bySerial.get(serial)?.sha256s ?? []), sha256];
    bySerial.set(serial, { sha256s, leaf, ...(key && { key }), directoryUrl });
  }
  return { targets: [...bySerial.values()], gone };
}

/** As the bucket still has it in one of the fleets. @returns undefined where it has not. @throws BucketError where the store is out of reach */
export async function readLeaf(
  bucket: Bucket,
  place: Pick<RevokedPlace, 'certificate' | 'fleets'>,
  sha256: string,
): Promise<X509Certificate | undefined> {
  const found = await readHeld(bucket, place, sha256);
  return found instanceof BucketError ? undefined : found.leaf;
}

function readHeld(
  bucket: Bucket,
  place: Pick<RevokedPlace, 'certificate' | 'fleets'>,
  sha256: string,
): Promise<HeldTarget | BucketError> {
  const keys = place.fleets.map((fleet) => layout.pem(fleet, place.certificate, sha256));
  return readFromOneOf(bucket, keys, () => readKept(bucket, place, sha256));
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
): Promise<HeldTarget | BucketError> {
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
  const says = 'the bucket has the PEM no more';
  return kept ?? fault ?? new BucketError('ERR_BUCKET_IO', keys[0] ?? layout.publishedFleets, says);
}
