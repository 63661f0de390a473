/**
 * Private keys that a stranger has: deleted at once, with every version that the bucket keeps of their objects. What is in force is never
 * deleted: a fleet whose manifest cannot be read is left alone, and said.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { BucketError, ContractError, codeOf, isObjectFault, messageOf } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Pass } from '../../pass.ts';
import { listPems, readStoredPem } from '../published-pems.ts';
import { readManifest } from '../read-manifest.ts';
import { noteDeletedKeys } from './deleted-keys.ts';
import { readHistory } from './history.ts';

type StolenPass = Pick<Pass, 'audit' | 'bucket' | 'log' | 'signing'>;

export interface StolenKeys {
  name: CertificateName;
  /** The keys that were stolen, or their public keys; undefined: all that were ever published under the name. */
  keys?: readonly KeyObject[] | undefined;
  now: Date;
  /** The command that does the rest, typed by somebody who may. */
  again: string;
}

export interface ErasedKeys {
  /** What could not be deleted, in words. */
  problems: string[];
  /** Not only earlier versions: a key itself is still in the bucket, or nobody knows. */
  isKeyLeft: boolean;
}

/** What fails in one fleet holds up no other. @throws what no store says */
export async function eraseStolenKeys(
  pass: StolenPass,
  fleets: readonly FleetName[],
  stolen: StolenKeys,
): Promise<ErasedKeys> {
  const erased: ErasedKeys[] = [];
  for (const fleet of fleets) {
    try {
      erased.push(await eraseIn(pass, fleet, stolen));
    } catch (error) {
      if (!(error instanceof BucketError || error instanceof ContractError)) throw error;
      erased.push({ problems: [`fleet ${fleet}: ${codeOf(error)} ${messageOf(error)}`], isKeyLeft: true });
    }
  }
  // Of orders that are over: the one in flight has a key of its own.
  erased.push(await erase(pass.bucket, layout.order(stolen.name), 'earlier', stolen));
  return all(erased);
}

function all(erased: readonly ErasedKeys[]): ErasedKeys {
  return {
    problems: erased.flatMap(({ problems }) => problems),
    isKeyLeft: erased.some(({ isKeyLeft }) => isKeyLeft),
  };
}

async function eraseIn(pass: StolenPass, fleet: FleetName, stolen: StolenKeys): Promise<ErasedKeys> {
  const { bucket, log, signing } = pass;
  const { name, now } = stolen;
  const read = await readManifest(bucket, fleet, signing);
  const inForce = read?.manifest.certificates[name]?.pems ?? [];
  const kept = new Set(inForce.map(({ sha256 }) => layout.pem(fleet, name, sha256)));
  const versions = await readHistory(bucket, fleet, name);
  const known = versions.flatMap(({ pems }) => pems);
  const stored = (await listPems(bucket, fleet, name)) ?? [];
  const ever = new Set([...stored, ...known.map(({ sha256 }) => layout.pem(fleet, name, sha256))]);
  const keys: string[] = [];
  for (const key of ever) if (!kept.has(key) && (await isStolen(bucket, key, stolen))) keys.push(key);
  if (keys.length === 0) return { problems: [], isKeyLeft: false };
  // Once: what is tried again in each pass fills no trail.
  const noted = new Set(
    versions
      .filter(({ keyDeletedAt }) => keyDeletedAt !== undefined)
      .flatMap(({ pems }) => pems.filter(({ certificate }) => certificate !== undefined))
      .map(({ sha256 }) => layout.pem(fleet, name, sha256)),
  );
  const fresh = keys.filter((key) => !noted.has(key));
  if (fresh.length > 0) await noteDeletedKeys(pass, fleet, fresh, { at: now, reason: 'stolen' });
  const erased: ErasedKeys[] = [];
  for (const key of keys) erased.push(await erase(bucket, key, 'all', stolen));
  const count = erased.filter(({ isKeyLeft }) => !isKeyLeft).length;
  if (count > 0) log('key.erased', { fleet, certificate: name, count });
  return all(erased);
}

/** What is there no more may have earlier versions all the same. */
async function isStolen(bucket: Bucket, key: string, { keys }: StolenKeys): Promise<boolean> {
  if (keys === undefined) return true;
  try {
    const stored = await readStoredPem(bucket, key);
    return stored === undefined || keys.some((one) => samePublicKey(one, stored.key));
  } catch (error) {
    if (isObjectFault(error)) return false;
    throw error;
  }
}

function samePublicKey(a: KeyObject, b: KeyObject): boolean {
  return publicText(a) === publicText(b);
}

function publicText(key: KeyObject): string {
  return (key.type === 'public' ? key : createPublicKey(key))
    .export({ type: 'spki', format: 'pem' })
    .toString();
}

async function erase(
  bucket: Bucket,
  key: string,
  what: 'all' | 'earlier',
  { again }: StolenKeys,
): Promise<ErasedKeys> {
  try {
    await bucket.erase(key, what);
    return { problems: [], isKeyLeft: false };
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    const isKeyLeft = what === 'all' && (await isStillThere(bucket, key));
    const left = isKeyLeft
      ? `${key} is still there: type it again`
      : `earlier versions of ${key} stay until the bucket's lifecycle ends them: type it again as somebody who may delete versions`;
    return { problems: [`${messageOf(error)}; ${left}: ${again}`], isKeyLeft };
  }
}

/** A store that says nothing has not said that it is gone. */
async function isStillThere(bucket: Bucket, key: string): Promise<boolean> {
  try {
    return (await bucket.get(key)) !== undefined;
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    return true;
  }
}
