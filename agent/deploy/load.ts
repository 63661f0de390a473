/**
 * A combined PEM into the running HAProxy: set and commit for a file it serves; new, set, commit and an entry
 * in the crt-list for one it does not. What HAProxy refuses leaves no transaction and no half-made entry.
 */
import { digest } from '#contract/combined-pem.ts';
import { codeOf } from '#contract/errors.ts';
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
import { type Deployed, DeployFailed } from './action.ts';

/** HAProxy refuses the two together, be it for the staple or for the certificate. */
const STAPLE_REFUSED: readonly string[] = ['ERR_RUNTIME_REFUSED', 'ERR_RUNTIME_PAYLOAD_SIZE'];

/** What HAProxy gets: the combined PEM, and the OCSP response with it. */
export interface LoadedContent {
  text: string;
  staple: Buffer | undefined;
}

export class Loader {
  readonly #runtime: Runtime;
  readonly #capabilities: Capabilities;

  constructor(runtime: Runtime, capabilities: Capabilities) {
    this.#runtime = runtime;
    this.#capabilities = capabilities;
  }

  /**
   * Certificate and staple in one transaction. Where HAProxy refuses the two, the certificate goes alone; one that it
   * serves already stays as it is, with the staple that it has.
   * @returns what HAProxy then shows of it, and `deployed` with what became of the staple
   * @throws DeployFailed
   */
  async load(
    place: RuntimeFile,
    { text, staple, isServed = false }: LoadedContent & { isServed?: boolean },
    deployed: Deployed,
  ): Promise<{ shown: CertificateStatus | undefined; deployed: Deployed }> {
    try {
      const shown = await this.#put(place, { text, staple });
      return { shown, deployed: { ...deployed, staple: { sha256: staple && digest(staple) } } };
    } catch (stapleError) {
      if (staple === undefined || !STAPLE_REFUSED.includes(codeOf(stapleError)))
        throw DeployFailed.from(stapleError, deployed);
      const alone = { ...deployed, stapleError };
      if (isServed) return { shown: place.certificate, deployed: alone };
      const shown = await this.#put(place, { text, staple: undefined }).catch((error: unknown) => {
        throw DeployFailed.from(error, alone);
      });
      return { shown, deployed: alone };
    }
  }

  async #put(place: RuntimeFile, content: LoadedContent): Promise<CertificateStatus | undefined> {
    if (place.certificate?.status === 'Used' && place.isListed) return this.#replace(place.filename, content);
    if (place.crtList === undefined || !this.#capabilities.canAddCertificates) throw cannotAdd(place);
    return this.#add(place.crtList, place, content);
  }

  async #replace(filename: string, { text, staple }: LoadedContent): Promise<CertificateStatus | undefined> {
    const { maxCommandBytes } = this.#capabilities;
    await this.#runtime.setCertificate(filename, text, maxCommandBytes);
    try {
      if (staple !== undefined) await this.#runtime.setStaple(filename, staple, maxCommandBytes);
      return await this.#runtime.commitCertificate(filename);
    } catch (error) {
      // Refused for its key, the transaction stays open; refused by OpenSSL, it is gone.
      await this.#runtime.abortAnyTransaction(filename);
      throw error;
    }
  }

  async #add(
    crtList: string,
    place: RuntimeFile,
    content: LoadedContent,
  ): Promise<CertificateStatus | undefined> {
    if (place.certificate === undefined) await this.#runtime.newCertificate(place.filename);
    try {
      const shown = await this.#replace(place.filename, content);
      if (place.isListed) return shown;
      return await this.#runtime.addToCrtList(crtList, place.filename, place.tails?.[0]);
    } catch (error) {
      if (place.certificate?.status !== 'Used') await unload(this.#runtime, place);
      throw error;
    }
  }
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

/** Takes out of HAProxy what the loader has added, or what the manifest no longer wants. */
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

/** Whether there is more to list than the loader has done. */
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

function cannotAdd(place: RuntimeFile): RuntimeCommandFailed {
  const request = { verb: 'add ssl crt-list', filename: place.filename };
  return new RuntimeCommandFailed('ERR_RUNTIME_CRT_LIST', request, reasonNotToAdd(place));
}
