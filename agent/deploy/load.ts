/**
 * Loads a combined PEM into the running HAProxy: set and commit for a file that it serves; new, set, commit and an entry
 * in the crt-list for a new one. A refusal leaves neither a transaction nor an unfinished entry, and takes nothing out
 * of HAProxy that was there before.
 */
import { digest } from '#contract/combined-pem.ts';
import { codeOf } from '#contract/errors.ts';
import type { ReachableHost } from '../agent.ts';
import { RuntimeCommandFailed, withNote } from '../errors.ts';
import type { CertificateStatus, CrtListEntry } from '../haproxy/answers.ts';
import type { Capabilities } from '../haproxy/capabilities.ts';
import type { Runtime } from '../haproxy/runtime.ts';
import {
  detached,
  isDetached,
  isListedOtherwise,
  missingTails,
  type RuntimeFile,
  reasonNotToAdd,
  surplusEntries,
} from '../haproxy/view.ts';
import { type Deployed, DeployFailed } from './action.ts';

/** HAProxy refuses the two together, be it for the staple or for the certificate. */
const STAPLE_REFUSED: readonly string[] = [
  'ERR_RUNTIME_REFUSED',
  'ERR_RUNTIME_PAYLOAD_SIZE',
  'ERR_RUNTIME_DETACHED',
];

/** What HAProxy gets: the combined PEM, and the OCSP response with it. */
export interface LoadedContent {
  text: string;
  staple: Buffer | undefined;
}

export class Loader {
  /** What it has put into a crt-list: nothing of it was served before. */
  readonly added: RuntimeFile[] = [];
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
    runtimeFile: RuntimeFile,
    { text, staple, isServed = false }: LoadedContent & { isServed?: boolean },
    deployed: Deployed,
  ): Promise<{ shown: CertificateStatus | undefined; deployed: Deployed }> {
    try {
      const shown = await this.#put(runtimeFile, { text, staple });
      return { shown, deployed: { ...deployed, staple: { sha256: staple && digest(staple) } } };
    } catch (stapleError) {
      if (staple === undefined || !STAPLE_REFUSED.includes(codeOf(stapleError))) {
        throw DeployFailed.from(stapleError, deployed);
      }
      const alone = { ...deployed, stapleError };
      if (isServed) return { shown: runtimeFile.certificate, deployed: alone };
      const shown = await this.#put(runtimeFile, { text, staple: undefined }).catch((error: unknown) => {
        throw DeployFailed.from(error, alone);
      });
      return { shown, deployed: alone };
    }
  }

  async #put(runtimeFile: RuntimeFile, content: LoadedContent): Promise<CertificateStatus | undefined> {
    if (isDetached(runtimeFile)) throw detached(runtimeFile);
    if (runtimeFile.certificate?.status === 'Used' && runtimeFile.isListed) {
      return this.#replace(runtimeFile.filename, content);
    }
    if (runtimeFile.crtList === undefined || !this.#capabilities.canAddCertificates) {
      throw cannotAdd(runtimeFile);
    }
    return this.#add(runtimeFile.crtList, runtimeFile, content);
  }

  async #replace(filename: string, { text, staple }: LoadedContent): Promise<CertificateStatus | undefined> {
    const { maxCommandBytes } = this.#capabilities;
    await this.#runtime.setCertificate(filename, text, maxCommandBytes);
    try {
      if (staple !== undefined) await this.#runtime.setStaple(filename, staple, maxCommandBytes);
      return await this.#runtime.commitCertificate(filename);
    } catch (error) {
      // A refusal for the key leaves the transaction open; one by OpenSSL ends it.
      throw await undoing(error, () => this.#runtime.abortAnyTransaction(filename));
    }
  }

  async #add(
    crtList: string,
    runtimeFile: RuntimeFile,
    content: LoadedContent,
  ): Promise<CertificateStatus | undefined> {
    const { filename } = runtimeFile;
    const isCreated =
      runtimeFile.certificate === undefined && (await this.#runtime.newCertificate(filename)) === 'created';
    try {
      const shown = await this.#replace(filename, content);
      if (runtimeFile.isListed) return shown;
      const added = await this.#runtime.addToCrtList(crtList, filename, runtimeFile.tails?.[0]);
      this.added.push(runtimeFile);
      return added;
    } catch (error) {
      if (!isCreated) throw error;
      throw await undoing(error, () => unload(this.#runtime, runtimeFile));
    }
  }
}

export const loaderOf = ({ runtime, haproxy }: ReachableHost) => new Loader(runtime, haproxy.capabilities);

/** @returns the error that led here, with a note where `undo` fails too */
async function undoing(error: unknown, undo: () => Promise<unknown>): Promise<unknown> {
  return undo().then(
    () => error,
    (later: unknown) => withNote(error, later),
  );
}

type Entries = ReadonlyMap<string, readonly CrtListEntry[]>;

export type ShowCrtList = (crtList: string) => Promise<Entries>;

/**
 * Reads a crt-list (which may have 10,000 lines) once for all files that are removed; a failure is not kept. One listing
 * is enough: HAProxy does not renumber the other lines when one is deleted.
 */
export function showCrtListOnce(runtime: Pick<Runtime, 'showCrtList'>): ShowCrtList {
  const shown = new Map<string, Entries>();
  return async (crtList) => {
    const entries = shown.get(crtList) ?? (await runtime.showCrtList(crtList));
    shown.set(crtList, entries);
    return entries;
  };
}

/** Takes a file out of HAProxy that the loader has added, or that the manifest no longer names. */
export async function unload(
  runtime: Runtime,
  runtimeFile: RuntimeFile,
  showCrtList: ShowCrtList = (crtList) => runtime.showCrtList(crtList),
): Promise<void> {
  if ((await runtime.showCertificate(runtimeFile.filename)) === undefined) return;
  if (runtimeFile.crtList !== undefined) {
    const entries = (await showCrtList(runtimeFile.crtList)).get(runtimeFile.filename) ?? [];
    for (const { line } of entries) {
      await runtime.deleteFromCrtList(runtimeFile.crtList, runtimeFile.filename, line);
    }
  }
  await runtime.deleteCertificate(runtimeFile.filename);
}

/** Whether there is more to list than the loader has done. */
export function needsListing(runtimeFile: RuntimeFile): boolean {
  return runtimeFile.isListed ? isListedOtherwise(runtimeFile) : (runtimeFile.tails?.length ?? 0) > 1;
}

/**
 * Makes HAProxy's entries of a crt-list file those that it is to have: it adds the missing ones before it deletes others.
 * @returns whether it has changed one
 */
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

function cannotAdd(runtimeFile: RuntimeFile): RuntimeCommandFailed {
  const request = { verb: 'add ssl crt-list', filename: runtimeFile.filename };
  return new RuntimeCommandFailed('ERR_RUNTIME_CRT_LIST', request, reasonNotToAdd(runtimeFile));
}
