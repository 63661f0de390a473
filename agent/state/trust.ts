/**
 * The trust record of the host: one for all of its HAProxy, in the host's state directory. Copies lie beside the certificates
 * (ownership.ts), and agents of several HAProxy have had one for each.
 */
import { join } from 'node:path';
import { parseJson } from '#contract/json.ts';
import type { FleetName } from '#contract/layout.ts';
import type { HostError } from '../errors.ts';
import type { Log } from '../log.ts';
import { mergeTrust, type TrustRecord, trustRecord } from '../trust/record.ts';
import { isDocumentSaved, readDocument, stateProblemOrThrow, unreadableIn } from './documents.ts';
import type { ProcessMemory } from './memory.ts';
import { type Ownership, readOwnership } from './ownership.ts';
import type { StateDirectory } from './state.ts';

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
  /** Why it is not known whom this host trusts, though it was told: what is there cannot be read, and there is no copy. */
  unreadable: HostError | undefined;
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
  const own = unreadableIn(places.stateDir, TRUST_FILE);
  const { copies, unreadable } = saved === undefined ? await readCopies(places, sources) : NO_COPIES;
  const records = [saved, remembered, ...copies].filter((one) => one !== undefined);
  const trust = mergeTrust([...records, sources.fromManifest].filter((one) => one !== undefined));
  const problem = records.length === 0 ? (own ?? (trust === undefined ? unreadable : undefined)) : undefined;
  return { saved, trust, unreadable: problem };
}

const NO_COPIES = { copies: [], unreadable: undefined };

/** Why nothing may be installed or removed: what this host had is there, cannot be read, and has no copy that can. */
export function blankMemory(
  stored: Pick<StateDirectory, 'isStateKnown' | 'unreadable'>,
  ownership: Ownership,
): HostError | undefined {
  if (stored.unreadable !== undefined && (!ownership.isKnown || ownership.unreadable))
    return stored.unreadable;
  return stored.isStateKnown ? undefined : ownership.unreadable;
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
  places: TrustPlaces,
  { fleet, ownership, log }: TrustSources,
): Promise<{ copies: TrustRecord[]; unreadable: HostError | undefined }> {
  const silent = () => undefined;
  const copies = [ownership.trustCopy()];
  let { unreadable } = ownership;
  for (const { certsDir, stateDir } of places.instances) {
    if (certsDir !== ownership.certsDir) {
      const other = await readOwnership({ certsDir, stateDir, fleet }, silent);
      copies.push(other.trustCopy());
      unreadable ??= other.unreadable;
    }
    if (stateDir !== places.stateDir) copies.push(await readSaved(stateDir, log));
  }
  const known = copies.filter((one) => one !== undefined);
  return { copies: known.sort((a, b) => Number(b.isConfirmed) - Number(a.isConfirmed)), unreadable };
}

async function readSaved(stateDir: string, log: Log): Promise<TrustRecord | undefined> {
  const path = join(stateDir, TRUST_FILE);
  const record = await readDocument(path, parseTrust).catch(
    (error: unknown) => void stateProblemOrThrow(error),
  );
  if (record === 'broken') log('state.reset', { file: path });
  return record === 'broken' ? undefined : record;
}

/**
 * By `pemfleet-agent trust`, since the last pass of this process: nothing in the bucket tells of it.
 * @throws nothing: why the record cannot be read, a pass says
 */
export async function hasNewWord({ stateDir }: TrustPlaces, { trust }: ProcessMemory): Promise<boolean> {
  const known = trust.get(stateDir);
  const saved = await readSaved(stateDir, () => undefined);
  if (known === undefined || saved === undefined) return false;
  return saved.trusted.key !== known.trusted.key || saved.isConfirmed !== known.isConfirmed;
}

const parseTrust = (text: string) => trustRecord.parse(parseJson(Buffer.from(text)));
