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
}

/** @returns what could not be deleted, in words. What fails in one fleet holds up no other. @throws what no store says */
export async function eraseStolenKeys(
  pass: StolenPass,
  fleets: readonly FleetName[],
  stolen: StolenKeys,
): Promise<string[]> {
  const problems: string[] = [];
  for (const fleet of fleets) {
    try {
      problems.push(...(await eraseIn(pass, fleet, stolen)));
    } catch (error) {
      if (!(error instanceof BucketError || error instanceof ContractError)) throw error;
      problems.push(`fleet ${fleet}: ${codeOf(error)} ${messageOf(error)}`);
    }
  }
  // Of orders that are over: the one in flight has a key of its own.
  problems.push(...(await erase(pass.bucket, layout.order(stolen.name), 'earlier')));
  return problems;
}

async function eraseIn(pass: StolenPass, fleet: FleetName, stolen: StolenKeys): Promise<string[]> {
  const { bucket, log, signing } = pass;
  const { name, now } = stolen;
  const read = await readManifest(bucket, fleet, signing);
  const inForce = read?.manifest.certificates[name]?.pems ?? [];
  const kept = new Set(inForce.map(({ sha256 }) => layout.pem(fleet, name, sha256)));
  const known = (await readHistory(bucket, fleet, name)).flatMap(({ pems }) => pems);
  const stored = (await listPems(bucket, fleet, name)) ?? [];
  const all = new Set([...stored, ...known.map(({ sha256 }) => layout.pem(fleet, name, sha256))]);
  const keys: string[] = [];
  for (const key of all) if (!kept.has(key) && (await isStolen(bucket, key, stolen))) keys.push(key);
  if (keys.length === 0) return [];
  await noteDeletedKeys(pass, fleet, keys, { at: now, reason: 'stolen' });
  const problems: string[] = [];
  for (const key of keys) problems.push(...(await erase(bucket, key, 'all')));
  log('key.erased', { fleet, certificate: name, count: keys.length });
  return problems;
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

async function erase(bucket: Bucket, key: string, what: 'all' | 'earlier'): Promise<string[]> {
  try {
    await bucket.erase(key, what);
    return [];
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    return [
      `${messageOf(error)}; earlier versions of ${key} stay until the bucket's lifecycle ends them: type it again as somebody who may delete versions`,
    ];
  }
}
