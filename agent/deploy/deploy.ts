/**
 * Loads one certificate into HAProxy, then proves it by a handshake. Its file is there before, so that a reload in
 * between reads the new one; what HAProxy refuses is undone, on disk and at run time.
 */
import { codeOf } from '#contract/errors.ts';
import type { HostView, ReachableHost } from '../agent.ts';
import { HandshakeFailed, withNote } from '../errors.ts';
import type { CertificateStatus } from '../haproxy/answers.ts';
import { heldUnder, otherNameOf } from '../haproxy/other-names.ts';
import { detached, isDetached, isServing, type RuntimeFile } from '../haproxy/view.ts';
import { wantedChainOf } from '../proof/wanted-chain.ts';
import { reactionTo } from '../reactions.ts';
import { isWithoutAnswer } from '../wire/refusal.ts';
import { type Deployed, DeployFailed } from './action.ts';
import type { InstalledFile } from './fetch.ts';
import { proveServed, readBack } from './handshake.ts';
import { alignCrtList, type Loader, loaderOf, needsListing } from './load.ts';
import { proveOnBinds } from './prove.ts';
import { restorePrevious } from './restore.ts';
import { checkStaple } from './staple.ts';
import { proveWithoutSocket } from './without-socket.ts';

/**
 * File and crt-list line are written already: nothing else can be done for a HAProxy without a stats socket.
 * @throws DeployFailed, or what blocks the host
 */
export async function loadCertificate(file: InstalledFile, view: HostView): Promise<Deployed> {
  if (view.isWithoutSocket) return file.deployed;
  if (view.haproxy === undefined || view.blocker !== undefined) throw view.blocker;
  const deployed = await loadEverywhere(file, view);
  if (!file.isStapleStale || file.staple !== undefined) return deployed;
  return { ...deployed, staple: deployed.staple ?? { sha256: undefined } };
}

/** Makes the handshakes, unless other files share its names: those are proved together, at the end of the pass. */
export async function proveCertificate(
  { action, pem, deployed }: InstalledFile,
  view: HostView,
): Promise<Deployed> {
  const { desired } = action;
  if (action.isProvedLast && !view.isWithoutSocket) return deployed;
  const wanted = wantedChainOf(pem);
  const handshakes = view.isWithoutSocket
    ? proveWithoutSocket(desired, wanted, view)
    : proveOnBinds(desired, wanted, view, deployed.isLoaded).catch(async (error: unknown) => {
        throw await reloadInstead(error, action.file, view);
      });
  const { proved, unproven } = await handshakes;
  return { ...deployed, handshakes: proved, unproven };
}

/** @returns that only a reload helps, where the bind hands out a detached file, or one that HAProxy has under another name */
export async function reloadInstead(error: unknown, file: string, view: HostView): Promise<unknown> {
  if (!(error instanceof HandshakeFailed) || isWithoutAnswer(error)) return error;
  const runtimeFiles = view.haproxy?.files.get(file) ?? [];
  const cutOff = runtimeFiles.find(isDetached);
  if (cutOff !== undefined) return detached(cutOff, error);
  if (error.serial === undefined || view.haproxy === undefined) return error;
  const known = runtimeFiles.map(({ filename }) => filename);
  const otherName = await otherNameOf(file, error.serial, known, view.runtime).catch(() => undefined);
  return otherName === undefined ? error : heldUnder(otherName, error);
}

async function loadEverywhere(file: InstalledFile, view: ReachableHost): Promise<Deployed> {
  let { deployed } = file;
  const loader = loaderOf(view);
  try {
    for (const runtimeFile of view.haproxy.files.get(file.action.file) ?? []) {
      deployed = await loadInto(runtimeFile, { ...file, deployed }, view, loader);
    }
    return deployed;
  } catch (error) {
    const failure = DeployFailed.from(error, deployed);
    const isRefused = reactionTo(failure.cause) === 'refused';
    if (!isRefused && codeOf(failure.cause) !== 'ERR_RUNTIME_READ_BACK') throw failure;
    throw await restorePrevious(failure, file, view, loader);
  }
}

async function loadInto(
  runtimeFile: RuntimeFile,
  file: InstalledFile,
  view: ReachableHost,
  loader: Loader,
): Promise<Deployed> {
  const { action, text, staple } = file;
  const isServed = isServing(runtimeFile, action.desired);
  let { deployed } = file;
  try {
    let shown: CertificateStatus | undefined;
    if (!isServed || (action.kind === 'staple' && staple !== undefined)) {
      const loaded = await loader.load(runtimeFile, { text, staple, isServed }, deployed);
      shown = loaded.shown;
      deployed = { ...loaded.deployed, isLoaded: true };
    } else {
      shown = await view.runtime.showCertificate(runtimeFile.filename);
    }
    if (needsListing(runtimeFile)) deployed = await alignLines(runtimeFile, view, deployed);
    deployed = { ...deployed, certificate: await judge(shown, runtimeFile, file, view) };
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

/**
 * What HAProxy shows is judged, not obeyed: where it contradicts a commit that HAProxy has called a success, the
 * handshake decides.
 * @throws RuntimeCommandFailed `ERR_RUNTIME_READ_BACK`
 */
async function judge(
  shown: CertificateStatus | undefined,
  runtimeFile: RuntimeFile,
  { action, pem }: InstalledFile,
  { config }: ReachableHost,
): Promise<CertificateStatus | undefined> {
  const wanted = wantedChainOf(pem);
  try {
    return readBack(runtimeFile, shown, wanted);
  } catch (error) {
    const { handshake } = config.haproxy;
    if (action.isProvedLast || handshake.length === 0) throw error;
    const proved = await proveServed(handshake, action.desired, wanted).catch((later: unknown) => {
      throw withNote(error, later);
    });
    if (proved.length === 0) throw error;
    return shown;
  }
}
