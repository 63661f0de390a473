/**
 * The trust record of the host: one for all of its HAProxy, in the host's state directory. Copies lie beside the certificates
 * (ownership.ts), and agents of several HAProxy have had one for each.
 */
import { join } from 'node:path';
import { parseJson } from '#contract/json.ts';
import type { FleetName } from '#contract/layout.ts';
import type { Log } from '../log.ts';
import { mergeTrust, type TrustRecord, trustRecord } from '../trust/record.ts';
import { isDocumentSaved, readDocument, stateProblemOrThrow } from './documents.ts';
import type { ProcessMemory } from './memory.ts';
import { type Ownership, readOwnership } from './ownership.ts';

const TRUST_FILE = 'trust.json';

/** One HAProxy of the host. */
export interface TrustPlace {
  stateDir: string;
  certsDir: string;
}

export interface TrustPlaces {
  /** The host's, which has the record. */
  stateDir: string;
  /** All HAProxy of the host. */
  instances: readonly TrustPlace[];
}

export interface StoredTrust {
  /** As the state directory has it. */
  saved: TrustRecord | undefined;
  /** With what else is known. */
  trust: TrustRecord | undefined;
}

interface TrustSources {
  fleet: FleetName;
  /** Of the HAProxy whose pass it is. */
  ownership: Ownership;
  memory: ProcessMemory;
  /** What the last good manifest tells of its signer. */
  fromManifest: TrustRecord | undefined;
  log: Log;
}

/** The record of the state directory counts; without it, what this process knows, then the copies: confirmed ones first. */
export async function readTrust(places: TrustPlaces, sources: TrustSources): Promise<StoredTrust> {
  const saved = await readSaved(places.stateDir, sources.log);
  const remembered = sources.memory.trust.get(places.stateDir);
  const copies = saved === undefined ? await readCopies(places, sources) : [];
  const records = [saved, remembered, ...copies, sources.fromManifest];
  return { saved, trust: mergeTrust(records.filter((one) => one !== undefined)) };
}

/** @returns false if the directory does not take it: this process keeps it (`stateProblemIn` says why) */
export async function saveTrust(
  { stateDir }: TrustPlaces,
  trust: TrustRecord,
  before: TrustRecord | undefined,
): Promise<boolean> {
  return isDocumentSaved(join(stateDir, TRUST_FILE), trust, before);
}

async function readCopies(
  { instances }: TrustPlaces,
  { fleet, ownership, log }: TrustSources,
): Promise<TrustRecord[]> {
  const silent = () => undefined;
  const copies = [ownership.trustCopy()];
  for (const { certsDir, stateDir } of instances) {
    if (certsDir !== ownership.certsDir) {
      copies.push((await readOwnership(certsDir, fleet, silent)).trustCopy());
    }
    copies.push(await readSaved(stateDir, log));
  }
  return copies
    .filter((one) => one !== undefined)
    .sort((a, b) => Number(b.isConfirmed) - Number(a.isConfirmed));
}

async function readSaved(stateDir: string, log: Log): Promise<TrustRecord | undefined> {
  const path = join(stateDir, TRUST_FILE);
  const record = await readDocument(path, parseTrust).catch(
    (error: unknown) => void stateProblemOrThrow(error),
  );
  if (record === 'broken') log('state.reset', { file: path });
  return record === 'broken' ? undefined : record;
}

const parseTrust = (text: string) => trustRecord.parse(parseJson(Buffer.from(text)));
