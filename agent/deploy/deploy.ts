/**
 * One certificate into HAProxy: load → prove. Its file was there before, so that a reload in between reads the new
 * one; what HAProxy refuses is taken back, on disk and at run time.
 */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parse } from '#contract/combined-pem.ts';
import { codeOf } from '#contract/errors.ts';
import type { HostView, SeenHost } from '../agent.ts';
import { stapleFileOf } from '../desired/files.ts';
import { RuntimeCommandFailed, reactionTo } from '../errors.ts';
import type { CertificateStatus } from '../haproxy/answers.ts';
import { writeTails } from '../haproxy/crt-list-file.ts';
import type { CrtListFile } from '../haproxy/crt-list-line.ts';
import { isServing, type RuntimeFile } from '../haproxy/view.ts';
import { type Action, type Deployed, DeployFailed } from './action.ts';
import type { InstalledFile } from './fetch.ts';
import { proveServed, readBack } from './handshake.ts';
import { dropPrevious, removeDurably, restorePreviousFile } from './install.ts';
import { alignCrtList, Loader, needsListing, type ShowCrtList, unload } from './load.ts';
import { checkStaple } from './staple.ts';
import { proveWithoutSocket } from './without-socket.ts';

/**
 * Its file is there already, and its line in the crt-list: all that can be done where HAProxy is not seen.
 * @throws DeployFailed, or what blocks the host
 */
export async function loadCertificate(file: InstalledFile, view: HostView): Promise<Deployed> {
  if (view.isWithoutSocket) return file.deployed;
  if (view.haproxy === undefined || view.blocker !== undefined) throw view.blocker;
  let deployed = await loadEverywhere(file, view);
  if (file.isStapleStale && file.staple === undefined)
    deployed = { ...deployed, staple: deployed.staple ?? { sha256: undefined } };
  try {
    await dropPrevious(file.path);
    await dropPrevious(stapleFileOf(file.path));
    return deployed;
  } catch (error) {
    throw new DeployFailed(error, deployed);
  }
}

/** On the wire, once HAProxy has it; with names that others have too, at the end of the pass. */
export async function proveCertificate(
  { action, pem, deployed }: InstalledFile,
  view: HostView,
): Promise<Deployed> {
  const { desired } = action;
  if (view.isWithoutSocket) return { ...deployed, handshakes: await proveWithoutSocket(desired, pem, view) };
  if (action.isProvedLast) return deployed;
  return { ...deployed, handshakes: await proveServed(view.config.haproxy.handshake, desired, pem) };
}

/** A file of ours that the manifest no longer wants, out of HAProxy: else it would serve it on. */
export async function unloadFromHaproxy(
  { file }: Action,
  view: HostView,
  showCrtList: ShowCrtList,
): Promise<void> {
  for (const place of view.haproxy?.files.get(file) ?? []) await unload(view.runtime, place, showCrtList);
}

/** Once no line of a crt-list names it: HAProxy would not start. */
export async function removeFile({ file }: Action, view: HostView): Promise<void> {
  const path = join(view.config.haproxy.certsDir, file);
  for (const ours of [path, stapleFileOf(path)]) {
    await removeDurably(ours);
    await dropPrevious(ours);
  }
}

async function loadEverywhere(file: InstalledFile, view: SeenHost): Promise<Deployed> {
  let { deployed } = file;
  const places = view.haproxy.files.get(file.action.file) ?? [];
  try {
    for (const place of places) deployed = await loadInto(place, { ...file, deployed }, view);
    return deployed;
  } catch (error) {
    const failure = DeployFailed.from(error, deployed);
    if (reactionTo(failure.cause) !== 'refused') throw failure;
    throw new DeployFailed(failure.cause, await restorePrevious(failure, file, places, view));
  }
}

async function loadInto(place: RuntimeFile, file: InstalledFile, view: SeenHost): Promise<Deployed> {
  const { action, text, staple } = file;
  const isServed = isServing(place, action.desired);
  let { deployed } = file;
  try {
    let shown: CertificateStatus | undefined;
    if (!isServed || (action.kind === 'staple' && staple !== undefined)) {
      const loaded = await loaderOf(view).load(place, { text, staple, isServed }, deployed);
      shown = loaded.shown;
      deployed = { ...loaded.deployed, isLoaded: true };
    } else {
      shown = await view.runtime.showCertificate(place.filename);
    }
    if (needsListing(place) && (await alignCrtList(view.runtime, place)))
      deployed = { ...deployed, isLoaded: true };
    deployed = { ...deployed, certificate: readBack(shown, place.filename, file.pem) };
    return checkStaple(deployed, place.filename);
  } catch (error) {
    throw DeployFailed.from(error, deployed);
  }
}

const loaderOf = ({ runtime, haproxy }: SeenHost) => new Loader(runtime, haproxy.capabilities);

/**
 * HAProxy has refused: the old file, and the old certificate in each place that took the new one already.
 * @returns what is left of the deployment
 */
async function restorePrevious(
  { cause: refusal, deployed }: DeployFailed,
  { path, action }: InstalledFile,
  places: readonly RuntimeFile[],
  view: SeenHost,
): Promise<Deployed> {
  let restored = deployed;
  try {
    const { pid } = await view.runtime.showInfo();
    if (pid !== view.haproxy.process.pid) throw reloaded(view.haproxy.process.pid, pid, refusal);
    await putBackTails(path, places, view.crtListFile);
    // Served already, it is not the PEM that was refused.
    if (!places.some((place) => isServing(place, action.desired))) {
      await restorePreviousFile(path, deployed.isWritten || codeOf(refusal) === 'ERR_RUNTIME_REFUSED');
      await restorePreviousFile(stapleFileOf(path), deployed.isWritten);
    }
    const text = await readFile(path, 'utf8').catch(() => undefined);
    const staple = await readFile(stapleFileOf(path)).catch(() => undefined);
    for (const place of places) {
      const shown = await view.runtime.showCertificate(place.filename);
      if (place.certificate?.status !== 'Used') await unload(view.runtime, place);
      else if (shown?.serial !== place.certificate.serial && isCanonical(text))
        restored = (await loaderOf(view).load(place, { text, staple }, restored)).deployed;
      if (place.entries?.length)
        await alignCrtList(view.runtime, { ...place, tails: place.entries.map(({ tail }) => tail) });
    }
    return { ...restored, isWritten: false, isLoaded: false };
  } catch (error) {
    throw DeployFailed.from(error, restored);
  }
}

/** The lines that HAProxy has taken before: one that it refuses would stop its next start. */
async function putBackTails(
  path: string,
  places: readonly RuntimeFile[],
  crtListFile: CrtListFile | undefined,
): Promise<void> {
  const entries = places.flatMap((place) => place.entries ?? []);
  if (crtListFile === undefined || !places.some((place) => place.entries)) return;
  const tails = entries.map(({ tail }) => tail);
  await writeTails(crtListFile, new Map([[basename(path), tails]]));
}

/** Somebody else's file may hold blank lines, which would end the payload early: it is not sent. */
export function isCanonical(text: string | undefined): text is string {
  try {
    return text !== undefined && parse(text).chain.length > 0;
  } catch {
    return false;
  }
}

function reloaded(before: number, after: number, cause: unknown): RuntimeCommandFailed {
  const detail = `HAProxy was reloaded meanwhile (Pid ${before}, now ${after})`;
  return new RuntimeCommandFailed('ERR_RUNTIME_RELOADED', { verb: 'show info' }, detail, { cause });
}
