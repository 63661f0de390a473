/**
 * A combined PEM into the running HAProxy: set and commit for a file it serves; new, set, commit and an entry
 * in the crt-list for one it does not. What HAProxy refuses leaves no transaction and no half-made entry.
 */

import { RuntimeCommandFailed } from './errors.ts';
import type { Capabilities } from './haproxy/capabilities.ts';
import type { Runtime } from './haproxy/runtime.ts';
import type { RuntimeFile } from './haproxy/view.ts';

export async function load(
  runtime: Runtime,
  place: RuntimeFile,
  pem: string,
  capabilities: Capabilities,
  staple?: Buffer,
): Promise<void> {
  if (place.certificate?.status === 'Used' && place.isListed) {
    await replace(runtime, place.filename, pem, capabilities, staple);
    return;
  }
  if (place.crtList === undefined || !capabilities.canAddCertificates) throw cannotAdd(place);
  await add(runtime, place.crtList, place, pem, capabilities, staple);
}

/** Takes out of HAProxy what `load` has added, or what the manifest no longer wants. */
export async function unload(runtime: Runtime, place: RuntimeFile): Promise<void> {
  const seen = await runtime.showCertificate(place.filename);
  if (seen === undefined) return;
  const isListed =
    place.crtList !== undefined && (await runtime.showCrtList(place.crtList)).has(place.filename);
  if (place.crtList !== undefined && isListed) await runtime.deleteFromCrtList(place.crtList, place.filename);
  await runtime.deleteCertificate(place.filename);
}

async function replace(
  runtime: Runtime,
  filename: string,
  pem: string,
  { maxCommandBytes }: Capabilities,
  staple: Buffer | undefined,
): Promise<void> {
  await runtime.setCertificate(filename, pem, maxCommandBytes);
  try {
    if (staple !== undefined) await runtime.setStaple(filename, staple, maxCommandBytes);
    await runtime.commitCertificate(filename);
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
): Promise<void> {
  if (place.certificate === undefined) await runtime.newCertificate(place.filename);
  try {
    await replace(runtime, place.filename, pem, capabilities, staple);
    await runtime.addToCrtList(crtList, place.filename);
  } catch (error) {
    if (place.certificate?.status !== 'Used') await unload(runtime, place);
    throw error;
  }
}

function cannotAdd({ filename }: RuntimeFile): RuntimeCommandFailed {
  const hint =
    'HAProxy has no crt-list for this directory to add it to; name the directory on a bind ("crt DIR"), or its name in haproxy.crtList';
  return new RuntimeCommandFailed('ERR_RUNTIME_CRT_LIST', { verb: 'add ssl crt-list', filename }, hint);
}
