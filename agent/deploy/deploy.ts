/**
 * One certificate into HAProxy: load → prove. Its file was there before, so that a reload in between reads the new
 * one; what HAProxy refuses is taken back, on disk and at run time.
 */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parse } from '#contract/combined-pem.ts';
import { codeOf } from '#contract/errors.ts';
import type { HostView } from '../agent.ts';
import { stapleFileOf } from '../desired/files.ts';
import { RuntimeCommandFailed, reactionTo } from '../errors.ts';
import { writeTails } from '../haproxy/crt-list-file.ts';
import type { CrtListFile } from '../haproxy/crt-list-line.ts';
import { type HaproxyView, isServing, type RuntimeFile } from '../haproxy/view.ts';
import type { Action, Progress } from './action.ts';
import type { InstalledFile } from './fetch.ts';
import { proveServed, readBack } from './handshake.ts';
import { dropPrevious, removeDurably, restorePreviousFile } from './install.ts';
import { alignCrtList, needsListing, type ShowCrtList, unload } from './load.ts';
import { checkStaple, loadStapled } from './staple.ts';
import { proveWithoutSocket } from './without-socket.ts';

/** Its file is there already, and its line in the crt-list: all that can be done where HAProxy is not seen. */
export async function loadCertificate(
  ready: InstalledFile,
  view: HostView,
  progress: Progress,
): Promise<void> {
  if (view.isWithoutSocket) return;
  if (view.haproxy === undefined || view.blocker !== undefined) throw view.blocker;
  const { path } = ready;
  await loadEverywhere(ready, view, progress);
  if (ready.isStapleStale && ready.staple === undefined) progress.staple ??= { sha256: undefined };
  await dropPrevious(path);
  await dropPrevious(stapleFileOf(path));
}

/** On the wire, once HAProxy has it; with names that others have too, at the end of the pass. */
export async function proveCertificate(
  { desired, pem, action }: InstalledFile,
  view: HostView,
  progress: Progress,
) {
  if (view.isWithoutSocket) progress.handshakes = await proveWithoutSocket(desired, pem, view);
  else if (!action.isProvedLast)
    progress.handshakes = await proveServed(view.config.haproxy.handshake, desired, pem);
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

async function loadEverywhere(brought: InstalledFile, view: HostView, progress: Progress): Promise<void> {
  const { runtime, haproxy } = view;
  if (haproxy === undefined) return;
  const places = haproxy.files.get(brought.desired.file) ?? [];
  try {
    for (const place of places) {
      const isServed = isServing(place, brought.desired);
      const isToLoad = !isServed || (brought.action.kind === 'staple' && brought.staple !== undefined);
      const shown = isToLoad
        ? await loadStapled(runtime, place, brought, haproxy.capabilities, isServed, progress)
        : await runtime.showCertificate(place.filename);
      if (isToLoad) progress.isLoaded = true;
      if (needsListing(place) && (await alignCrtList(runtime, place))) progress.isLoaded = true;
      progress.certificate = readBack(shown, place.filename, brought.pem);
      checkStaple(progress, place.filename);
    }
  } catch (error) {
    if (reactionTo(error) === 'refused')
      await restorePrevious(error, brought, places, { ...view, haproxy }, progress);
    throw error;
  }
}

/** HAProxy has refused: the old file, and the old certificate in each place that took the new one already. */
async function restorePrevious(
  refusal: unknown,
  { path, desired }: InstalledFile,
  places: readonly RuntimeFile[],
  view: HostView & { haproxy: HaproxyView },
  progress: Progress,
): Promise<void> {
  const { runtime, haproxy } = view;
  const { pid } = await runtime.showInfo();
  if (pid !== haproxy.process.pid) throw reloaded(haproxy.process.pid, pid, refusal);
  await putBackTails(path, places, view.crtListFile);
  // Served already, it is not the PEM that was refused.
  if (!places.some((place) => isServing(place, desired))) {
    await restorePreviousFile(path, progress.isWritten === true || codeOf(refusal) === 'ERR_RUNTIME_REFUSED');
    await restorePreviousFile(stapleFileOf(path), progress.isWritten === true);
  }
  const old = await readFile(path, 'utf8').catch(() => undefined);
  const staple = await readFile(stapleFileOf(path)).catch(() => undefined);
  for (const place of places) {
    const seen = await runtime.showCertificate(place.filename);
    if (place.certificate?.status !== 'Used') await unload(runtime, place);
    else if (seen?.serial !== place.certificate.serial && isCanonical(old))
      await loadStapled(runtime, place, { text: old, staple }, haproxy.capabilities, false, progress);
    if (place.entries?.length)
      await alignCrtList(runtime, { ...place, tails: place.entries.map(({ tail }) => tail) });
  }
  progress.isWritten = false;
  progress.isLoaded = false;
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
  return new RuntimeCommandFailed('ERR_RUNTIME_RELOADED', { verb: 'show info' }, detail, {}, { cause });
}
