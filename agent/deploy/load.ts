/**
 * A combined PEM into the running HAProxy: set and commit for a file it serves; new, set, commit and an entry
 * in the crt-list for one it does not. What HAProxy refuses leaves no transaction and no half-made entry.
 */
import { RuntimeCommandFailed } from '../errors.ts';
import type { CertificateStatus, CrtListEntry } from '../haproxy/answers.ts';
import type { Capabilities } from '../haproxy/capabilities.ts';
import type { Runtime } from '../haproxy/runtime.ts';
import {
  isListedOtherwise,
  missingTails,
  type RuntimeFile,
  reasonNotToAdd,
  surplusEntries,
} from '../haproxy/view.ts';

/** @returns what HAProxy then shows of it */
export async function load(
  runtime: Runtime,
  place: RuntimeFile,
  pem: string,
  capabilities: Capabilities,
  staple?: Buffer,
): Promise<CertificateStatus | undefined> {
  if (place.certificate?.status === 'Used' && place.isListed)
    return replace(runtime, place.filename, pem, capabilities, staple);
  if (place.crtList === undefined || !capabilities.canAddCertificates) throw cannotAdd(place);
  return add(runtime, place.crtList, place, pem, capabilities, staple);
}

type Entries = ReadonlyMap<string, readonly CrtListEntry[]>;

export type ShowCrtList = (crtList: string) => Promise<Entries>;

/**
 * Of several certificates that go, a crt-list (which may have 10,000 lines) is asked for once; a failure is not kept. HAProxy
 * numbers no other line anew when one goes, so that they all can go by the lines of one listing.
 */
export function showCrtListOnce(runtime: Pick<Runtime, 'showCrtList'>): ShowCrtList {
  const shown = new Map<string, Entries>();
  return async (crtList) => {
    const entries = shown.get(crtList) ?? (await runtime.showCrtList(crtList));
    shown.set(crtList, entries);
    return entries;
  };
}

/** Takes out of HAProxy what `load` has added, or what the manifest no longer wants. */
export async function unload(
  runtime: Runtime,
  place: RuntimeFile,
  showCrtList: ShowCrtList = (crtList) => runtime.showCrtList(crtList),
): Promise<void> {
  const seen = await runtime.showCertificate(place.filename);
  if (seen === undefined) return;
  if (place.crtList !== undefined) {
    const entries = (await showCrtList(place.crtList)).get(place.filename) ?? [];
    for (const { line } of entries) await runtime.deleteFromCrtList(place.crtList, place.filename, line);
  }
  await runtime.deleteCertificate(place.filename);
}

/** Whether there is more to list than `load` has done. */
export function needsListing(place: RuntimeFile): boolean {
  return place.isListed ? isListedOtherwise(place) : (place.tails?.length ?? 0) > 1;
}

/** Makes HAProxy's entries of a crt-list file those that it shall have: what is missing comes before what goes. */
export async function alignCrtList(
  runtime: Runtime,
  { crtList, filename, tails }: RuntimeFile,
): Promise<boolean> {
  if (crtList === undefined || tails === undefined) return false;
  const entries = (await runtime.showCrtList(crtList)).get(filename) ?? [];
  const missing = missingTails(entries, tails);
  const surplus = surplusEntries(entries, tails);
  for (const tail of missing) await runtime.addToCrtList(crtList, filename, tail);
  for (const { line } of surplus) await runtime.deleteFromCrtList(crtList, filename, line);
  return missing.length + surplus.length > 0;
}

async function replace(
  runtime: Runtime,
  filename: string,
  pem: string,
  { maxCommandBytes }: Capabilities,
  staple: Buffer | undefined,
): Promise<CertificateStatus | undefined> {
  await runtime.setCertificate(filename, pem, maxCommandBytes);
  try {
    if (staple !== undefined) await runtime.setStaple(filename, staple, maxCommandBytes);
    return await runtime.commitCertificate(filename);
  } catch (error) {
    // Refused for its key, the transaction stays open; refused by OpenSSL, it is gone.
    await runtime.abortAnyTransaction(filename);
    throw error;
  }
}

async function add(
  runtime: Runtime,
  crtList: string,
  place: RuntimeFile,
  pem: string,
  capabilities: Capabilities,
  staple: Buffer | undefined,
): Promise<CertificateStatus | undefined> {
  if (place.certificate === undefined) await runtime.newCertificate(place.filename);
  try {
    const shown = await replace(runtime, place.filename, pem, capabilities, staple);
    if (place.isListed) return shown;
    return await runtime.addToCrtList(crtList, place.filename, place.tails?.[0]);
  } catch (error) {
    if (place.certificate?.status !== 'Used') await unload(runtime, place);
    throw error;
  }
}

function cannotAdd(place: RuntimeFile): RuntimeCommandFailed {
  const asked = { verb: 'add ssl crt-list', filename: place.filename };
  return new RuntimeCommandFailed('ERR_RUNTIME_CRT_LIST', asked, reasonNotToAdd(place));
}
