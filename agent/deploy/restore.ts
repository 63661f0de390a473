/**
 * Undoes what has failed: the certificate that HAProxy served before is served again, and its file is back where a reload
 * would read a refused one. The first error leads, and what fails here is its note.
 */
import { basename } from 'node:path';
import { keyTypeOf, parse } from '#contract/combined-pem.ts';
import { messageOf } from '#contract/errors.ts';
import type { HostView, ReachableHost } from '../agent.ts';
import { stapleFileOf } from '../desired/files.ts';
import { HandshakeFailed, HostError, RuntimeCommandFailed, withNote } from '../errors.ts';
import { viewCrtList, writeTails } from '../haproxy/crt-list-file.ts';
import { type CrtListFile, isSameTail } from '../haproxy/crt-list-line.ts';
import { isServing, type RuntimeFile } from '../haproxy/view.ts';
import { wantedChainOf } from '../proof/wanted-chain.ts';
import { type HandshakeErrorCode, reactionTo } from '../reactions.ts';
import { isMismatch } from '../wire/tls-client.ts';
import { Unprovable } from '../wire/unprovable.ts';
import { DeployFailed, doneOutcome, type FailedOutcome, failedOutcome, type Outcome } from './action.ts';
import type { InstalledFile } from './fetch.ts';
import { proveServed } from './handshake.ts';
import { dropPrevious, readPreviousFile, restorePreviousFile } from './install.ts';
import { alignCrtList, type LoadedContent, type Loader, loaderOf, unload } from './load.ts';
import { proveOnBinds } from './prove.ts';

/**
 * HAProxy has refused the certificate, or shows another one. Restores the old certificate under each name that has
 * taken the new one; of what HAProxy has refused also the old file, and what was added for it goes again. Nothing that
 * HAProxy held before is taken out of it.
 * @returns the failure, with what is left of the deployment
 */
export async function restorePrevious(
  failure: DeployFailed,
  { path, action }: InstalledFile,
  view: ReachableHost,
  loader: Loader,
): Promise<DeployFailed> {
  const { cause: refusal } = failure;
  const runtimeFiles = view.haproxy.files.get(action.file) ?? [];
  let { deployed } = failure;
  try {
    const { pid } = await view.runtime.showInfo();
    if (pid !== view.haproxy.process.pid) {
      return new DeployFailed(reloaded(view.haproxy.process.pid, pid, refusal), deployed);
    }
    // Read before the new file makes room for the old one, which HAProxy gets in both cases.
    const previous = await readPrevious(path);
    if (reactionTo(refusal) === 'refused') {
      for (const runtimeFile of loader.added) await unload(view.runtime, runtimeFile);
      await restoreTails(path, runtimeFiles, view.crtListFile);
      // A PEM that HAProxy serves already is not what it has refused.
      if (!runtimeFiles.some((runtimeFile) => isServing(runtimeFile, action.desired))) {
        await restorePreviousFile(path, deployed.isWritten || isOfContent(refusal));
        if (!action.hasForeignStaple) await restorePreviousFile(stapleFileOf(path), deployed.isWritten);
      }
      deployed = { ...deployed, isWritten: false };
    }
    for (const runtimeFile of runtimeFiles) {
      const shown = await view.runtime.showCertificate(runtimeFile.filename);
      const isChanged = shown !== undefined && shown.serial !== runtimeFile.certificate?.serial;
      if (runtimeFile.certificate?.status === 'Used' && isChanged && previous !== undefined) {
        ({ deployed } = await loader.load(runtimeFile, previous, deployed));
      }
      const tails = runtimeFile.entries?.map(({ tail }) => tail) ?? [];
      if (tails.length > 0) await alignCrtList(view.runtime, { ...runtimeFile, tails });
    }
    return new DeployFailed(refusal, { ...deployed, isLoaded: false });
  } catch (error) {
    const later = DeployFailed.from(error, deployed);
    return new DeployFailed(withNote(refusal, later.cause), later.deployed);
  }
}

/** What HAProxy served before this deployment; `undefined`: there was none, or its file was not replaced. */
async function readPrevious(path: string): Promise<LoadedContent | undefined> {
  const text = await readPreviousFile(path);
  const staple = await readPreviousFile(stapleFileOf(path));
  return isCanonical(text?.toString()) ? { text: text.toString(), staple } : undefined;
}

/** HAProxy cannot use what the file holds, so that it would not start with it either. */
function isOfContent(refusal: unknown): boolean {
  return /unable to load|inconsistencies|must contain/.test(messageOf(refusal));
}

/** The bind is out of reach, or hands out something else: the name has a certificate. */
const NOT_DARK: readonly HandshakeErrorCode[] = [
  'ERR_HANDSHAKE_CONNECT',
  'ERR_HANDSHAKE_TIMEOUT',
  'ERR_HANDSHAKE_CERTIFICATE',
  'ERR_HANDSHAKE_CHAIN',
  'ERR_HANDSHAKE_OVERLAP',
];

/**
 * Ends the deployment of a file whose handshakes are made. Where a bind hands out nothing since it has the new
 * certificate, but did hand out the old one, the old one is restored. What was kept for that goes.
 * @param proved the file, or its failure
 */
export async function endDeployment(
  file: InstalledFile,
  proved: InstalledFile | FailedOutcome,
  view: HostView,
): Promise<Outcome> {
  const outcome =
    proved.kind === 'failed'
      ? await proveElsewhere(file, await restoreIfDark(file, proved, view), view)
      : doneOutcome(proved.action, proved.deployed);
  try {
    await dropPrevious(file.path);
    await dropPrevious(stapleFileOf(file.path));
    return outcome;
  } catch (error) {
    return outcome.kind === 'failed' ? outcome : failedOutcome(file.action, error, outcome.deployed);
  }
}

/** A bind that refuses the one before, too, and every client of this kind of key, is no failure of a certificate that others hand out. */
async function proveElsewhere(
  { action, pem }: InstalledFile,
  failure: FailedOutcome,
  view: HostView,
): Promise<Outcome> {
  if (!isMismatch(failure.error)) return failure;
  try {
    const { proved, unproven } = await proveOnBinds(action.desired, wantedChainOf(pem), view);
    return doneOutcome(action, { ...failure.deployed, handshakes: proved, unproven });
  } catch (error) {
    return error instanceof HandshakeFailed ? failure : failedOutcome(action, withNote(failure.error, error));
  }
}

async function restoreIfDark(
  file: InstalledFile,
  failure: FailedOutcome,
  view: HostView,
): Promise<FailedOutcome> {
  const { error, deployed } = failure;
  const isDark = error instanceof HandshakeFailed && !NOT_DARK.includes(error.code);
  const runtimeFiles = view.haproxy?.files.get(file.action.file) ?? [];
  const replaced = runtimeFiles.filter(({ certificate }) => certificate?.status === 'Used');
  if (!isDark || view.haproxy === undefined || replaced.length === 0) return failure;
  const previous = await readPrevious(file.path);
  if (previous === undefined) return failure;
  const loader = loaderOf(view);
  const loadAll = async (content: LoadedContent) => {
    for (const runtimeFile of replaced) await loader.load(runtimeFile, content, deployed);
  };
  try {
    await loadAll(previous);
    if (!(await isHandedOut(previous, file, view))) {
      // The bind refuses both: this is not the new certificate's doing.
      await loadAll(file);
      return failure;
    }
    await restorePreviousFile(file.path, false);
    if (!file.action.hasForeignStaple) await restorePreviousFile(stapleFileOf(file.path), true);
    const detail = `${file.action.file}: since HAProxy has this certificate, it hands out none; the one before is served again`;
    const undone = new HostError('ERR_UPDATE_UNDONE', detail, { cause: error });
    return failedOutcome(file.action, undone, { ...deployed, isWritten: false, isLoaded: false });
  } catch (later) {
    const cause = later instanceof DeployFailed ? later.cause : later;
    return failedOutcome(file.action, withNote(error, cause), deployed);
  }
}

async function isHandedOut(
  { text }: LoadedContent,
  { action }: InstalledFile,
  { config, now }: ReachableHost,
): Promise<boolean> {
  const pem = parse(text);
  if (new Date(pem.leaf.validTo) <= now()) return false;
  const desired = { ...action.desired, keyType: keyTypeOf(pem.leaf.publicKey) };
  return proveServed(config.haproxy.handshake, desired, wantedChainOf(pem)).then(
    () => true,
    (error: unknown) => {
      if (error instanceof HandshakeFailed || error instanceof Unprovable) return false;
      throw error;
    },
  );
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
