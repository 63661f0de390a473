/**
 * Loads one certificate into HAProxy, then proves it by a handshake. Its file is there before, so that a reload in
 * between reads the new one; what HAProxy refuses is undone, on disk and at run time.
 */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parse } from '#contract/combined-pem.ts';
import { codeOf } from '#contract/errors.ts';
import type { HostView, ReachableHost } from '../agent.ts';
import { stapleFileOf } from '../desired/files.ts';
import { RuntimeCommandFailed } from '../errors.ts';
import type { CertificateStatus } from '../haproxy/answers.ts';
import { viewCrtList, writeTails } from '../haproxy/crt-list-file.ts';
import { type CrtListFile, isSameTail } from '../haproxy/crt-list-line.ts';
import { isServing, type RuntimeFile } from '../haproxy/view.ts';
import { reactionTo } from '../reactions.ts';
import { type Action, type Deployed, DeployFailed } from './action.ts';
import type { InstalledFile } from './fetch.ts';
import { proveServed, readBack } from './handshake.ts';
import { dropPrevious, removeDurably, restorePreviousFile } from './install.ts';
import { alignCrtList, Loader, needsListing, type ShowCrtList, unload } from './load.ts';
import { checkStaple } from './staple.ts';
import { proveWithoutSocket } from './without-socket.ts';

/**
 * File and crt-list line are written already: nothing else can be done for a HAProxy without a stats socket.
 * @throws DeployFailed, or what blocks the host
 */
export async function loadCertificate(file: InstalledFile, view: HostView): Promise<Deployed> {
  if (view.isWithoutSocket) return file.deployed;
  if (view.haproxy === undefined || view.blocker !== undefined) throw view.blocker;
  let deployed = await loadEverywhere(file, view);
  if (file.isStapleStale && file.staple === undefined) {
    deployed = { ...deployed, staple: deployed.staple ?? { sha256: undefined } };
  }
  try {
    await dropPrevious(file.path);
    await dropPrevious(stapleFileOf(file.path));
    return deployed;
  } catch (error) {
    throw new DeployFailed(error, deployed);
  }
}

/** Makes the handshakes, unless other files share its names: those are proved together, at the end of the pass. */
export async function proveCertificate(
  { action, pem, deployed }: InstalledFile,
  view: HostView,
): Promise<Deployed> {
  const { desired } = action;
  if (view.isWithoutSocket) return { ...deployed, handshakes: await proveWithoutSocket(desired, pem, view) };
  if (action.isProvedLast) return deployed;
  return { ...deployed, handshakes: await proveServed(view.config.haproxy.handshake, desired, pem) };
}

/** A file that the manifest no longer names, which HAProxy would still serve. */
export async function unloadFromHaproxy(
  { file }: Action,
  view: HostView,
  showCrtList: ShowCrtList,
): Promise<void> {
  for (const runtimeFile of view.haproxy?.files.get(file) ?? []) {
    await unload(view.runtime, runtimeFile, showCrtList);
  }
}

/** To call when no line of a crt-list names the file any more: with such a line HAProxy does not start. */
export async function removeFile({ file }: Action, view: HostView): Promise<void> {
  const path = join(view.config.haproxy.certsDir, file);
  for (const ours of [path, stapleFileOf(path)]) {
    await removeDurably(ours);
    await dropPrevious(ours);
  }
}

async function loadEverywhere(file: InstalledFile, view: ReachableHost): Promise<Deployed> {
  let { deployed } = file;
  const runtimeFiles = view.haproxy.files.get(file.action.file) ?? [];
  try {
    for (const runtimeFile of runtimeFiles) {
      deployed = await loadInto(runtimeFile, { ...file, deployed }, view);
    }
    return deployed;
  } catch (error) {
    const failure = DeployFailed.from(error, deployed);
    if (reactionTo(failure.cause) !== 'refused') throw failure;
    throw new DeployFailed(failure.cause, await restorePrevious(failure, file, runtimeFiles, view));
  }
}

async function loadInto(
  runtimeFile: RuntimeFile,
  file: InstalledFile,
  view: ReachableHost,
): Promise<Deployed> {
  const { action, text, staple } = file;
  const isServed = isServing(runtimeFile, action.desired);
  let { deployed } = file;
  try {
    let shown: CertificateStatus | undefined;
    if (!isServed || (action.kind === 'staple' && staple !== undefined)) {
      const loaded = await loaderOf(view).load(runtimeFile, { text, staple, isServed }, deployed);
      shown = loaded.shown;
      deployed = { ...loaded.deployed, isLoaded: true };
    } else {
      shown = await view.runtime.showCertificate(runtimeFile.filename);
    }
    if (needsListing(runtimeFile)) deployed = await alignLines(runtimeFile, view, deployed);
    deployed = { ...deployed, certificate: readBack(shown, runtimeFile.filename, file.pem) };
    return checkStaple(deployed, runtimeFile.filename);
  } catch (error) {
    throw DeployFailed.from(error, deployed);
  }
}

/** A line that HAProxy refuses does not keep the certificate from it: the lines that it has accepted before stay. */
async function alignLines(runtimeFile: RuntimeFile, view: HostView, deployed: Deployed): Promise<Deployed> {
  try {
    const isAligned = await alignCrtList(view.runtime, runtimeFile);
    return isAligned ? { ...deployed, isLoaded: true } : deployed;
  } catch (lineError) {
    if (!runtimeFile.isListed || reactionTo(lineError) !== 'refused') throw lineError;
    return { ...deployed, lineError };
  }
}

const loaderOf = ({ runtime, haproxy }: ReachableHost) => new Loader(runtime, haproxy.capabilities);

/**
 * HAProxy has refused. Restores the old file, and the old certificate under each name that has taken the new one.
 * @returns what is left of the deployment
 */
async function restorePrevious(
  { cause: refusal, deployed }: DeployFailed,
  { path, action }: InstalledFile,
  runtimeFiles: readonly RuntimeFile[],
  view: ReachableHost,
): Promise<Deployed> {
  let restored = deployed;
  try {
    const { pid } = await view.runtime.showInfo();
    if (pid !== view.haproxy.process.pid) throw reloaded(view.haproxy.process.pid, pid, refusal);
    await restoreTails(path, runtimeFiles, view.crtListFile);
    // A PEM that HAProxy serves already is not what it has refused.
    if (!runtimeFiles.some((runtimeFile) => isServing(runtimeFile, action.desired))) {
      await restorePreviousFile(path, deployed.isWritten || codeOf(refusal) === 'ERR_RUNTIME_REFUSED');
      await restorePreviousFile(stapleFileOf(path), deployed.isWritten);
    }
    const text = await readFile(path, 'utf8').catch(() => undefined);
    const staple = await readFile(stapleFileOf(path)).catch(() => undefined);
    for (const runtimeFile of runtimeFiles) {
      const shown = await view.runtime.showCertificate(runtimeFile.filename);
      if (runtimeFile.certificate?.status !== 'Used') {
        await unload(view.runtime, runtimeFile);
      } else if (shown?.serial !== runtimeFile.certificate.serial && isCanonical(text)) {
        restored = (await loaderOf(view).load(runtimeFile, { text, staple }, restored)).deployed;
      }
      const tails = runtimeFile.entries?.map(({ tail }) => tail) ?? [];
      if (tails.length > 0) await alignCrtList(view.runtime, { ...runtimeFile, tails });
    }
    return { ...restored, isWritten: false, isLoaded: false };
  } catch (error) {
    throw DeployFailed.from(error, restored);
  }
}

/** Restores the lines that HAProxy has accepted before: one that it refuses would stop its next start. */
async function restoreTails(
  path: string,
  runtimeFiles: readonly RuntimeFile[],
  crtListFile: CrtListFile | undefined,
): Promise<void> {
  const entries = runtimeFiles.flatMap((runtimeFile) => runtimeFile.entries ?? []);
  if (crtListFile === undefined || !runtimeFiles.some((runtimeFile) => runtimeFile.entries)) return;
  const tails = entries.map(({ tail }) => tail);
  const file = basename(path);
  const listed = (await viewCrtList(crtListFile, [file])).get(file) ?? [];
  // HAProxy does not show all options of a line: one that looks the same may say more.
  const isSame = (tail: string, index: number) => isSameTail(tail, listed[index] ?? '');
  if (listed.length === tails.length && tails.every(isSame)) return;
  await writeTails(crtListFile, new Map([[file, tails]]));
}

/** A file of another program may hold blank lines, which would end the payload early: it is not sent. */
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
