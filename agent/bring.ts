/**
 * One certificate on its way: fetch → verify → install → load → prove. The file comes before HAProxy, so that a
 * reload in between reads the new one; what HAProxy refuses is taken back, on disk and at run time.
 */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type CombinedPem, digest, parse, verify } from '#contract/combined-pem.ts';
import { codeOf, PemRejected } from '#contract/errors.ts';
import { type CrtListFile, viewCrtList, wantedTails, writeTails } from './crt-list.ts';
import { HostError, RuntimeCommandFailed, reactionTo } from './errors.ts';
import type { CertificateStatus } from './haproxy/answers.ts';
import type { HaproxyView, RuntimeFile } from './haproxy/view.ts';
import { dropPrevious, install, putBack, remove } from './install.ts';
import { list, unload } from './load.ts';
import { type Action, isServing } from './plan.ts';
import type { Scene } from './scene.ts';
import { checkStaple, fetchStaple, loadStapled, placeStaple, stapleFileOf } from './staple.ts';
import { proveUnseen } from './unseen.ts';
import { proveServed, readBack } from './verify-served.ts';
import type { WantedFile } from './wanted.ts';

/** How far a certificate got; filled in on the way, because a failure must not hide it. */
export interface Progress {
  isWritten?: boolean;
  isLoaded?: boolean;
  /** Its line in the crt-list file was written. */
  isListed?: boolean;
  certificate?: CertificateStatus | undefined;
  handshakes?: string[];
  /** The OCSP response that HAProxy now has; none: it is not to have any. */
  staple?: { sha256: string | undefined };
  /** The certificate goes on without it. */
  stapleError?: unknown;
}

export async function bring(action: Action, scene: Scene, progress: Progress): Promise<void> {
  const { wanted, file } = action;
  if (wanted === undefined) throw new TypeError(`nothing is wanted of ${file}`);
  const path = join(scene.config.haproxy.certsDir, file);
  const { body, isOnDisk } = await obtain(wanted, path, scene);
  const pem = check(body, wanted, scene.now());
  const staple = await fetchStaple(wanted, scene).catch((error: unknown) => {
    progress.stapleError = error;
  });
  if (!isOnDisk || scene.disk.get(file)?.isGuarded !== true) {
    await install(path, body, scene.config.pem);
    progress.isWritten = true;
  }
  const isStapleStale = !isOnDisk || (action.kind === 'staple' && progress.stapleError === undefined);
  await placeStaple(file, staple || undefined, isStapleStale, scene);
  progress.isListed = await enlist(wanted, scene);
  if (scene.isUnseen) {
    progress.handshakes = await proveUnseen(wanted, pem, scene);
    return;
  }
  if (scene.haproxy === undefined || scene.hindrance !== undefined) throw scene.hindrance;
  const text = body.toString('utf8');
  const brought = { wanted, path, pem, text, staple: staple || undefined, kind: action.kind };
  await loadEverywhere(brought, scene, progress);
  if (isStapleStale && staple === undefined) progress.staple ??= { sha256: undefined };
  await dropPrevious(path);
  await dropPrevious(stapleFileOf(path));
  if (!action.isProvedLast)
    progress.handshakes = await proveServed(scene.config.haproxy.handshake, wanted, pem);
}

/** Removes a file of ours that the manifest no longer wants: from HAProxy first, else it would serve it on. */
export async function takeAway({ file }: Action, scene: Scene): Promise<void> {
  for (const place of scene.haproxy?.files.get(file) ?? []) await unload(scene.runtime, place);
  // HAProxy does not start with a line that names no file.
  if (scene.crtListFile) await writeTails(scene.crtListFile, file, []);
  const path = join(scene.config.haproxy.certsDir, file);
  for (const ours of [path, stapleFileOf(path)]) {
    await remove(ours);
    await dropPrevious(ours);
  }
}

async function obtain(
  wanted: WantedFile,
  path: string,
  scene: Scene,
): Promise<{ body: Buffer; isOnDisk: boolean }> {
  if (scene.disk.get(wanted.file)?.sha256 === wanted.sha256)
    return { body: await readFile(path), isOnDisk: true };
  const object = await (await scene.openBucket()).get(wanted.key);
  if (object === undefined) throw new HostError('ERR_PEM_MISSING', `the bucket holds no ${wanted.key}`);
  return { body: object.body, isOnDisk: false };
}

function check(body: Buffer, wanted: WantedFile, now: Date): CombinedPem {
  // The bytes, not the text: decoding would hide a difference.
  if (digest(body) !== wanted.sha256)
    throw new PemRejected('ERR_PEM_DIGEST', `wanted SHA-256 ${wanted.sha256}, saw ${digest(body)}`);
  const { identifiers, serial, keyType } = wanted;
  const pem = verify(body.toString('utf8'), { identifiers, serial, keyType }, now);
  if (pem.chain.length === wanted.chainLength) return pem;
  const detail = `wanted ${wanted.chainLength} certificates, saw ${pem.chain.length}`;
  throw new PemRejected('ERR_PEM_CHAIN', detail);
}

interface Brought {
  wanted: WantedFile;
  path: string;
  pem: CombinedPem;
  text: string;
  staple: Buffer | undefined;
  kind: Action['kind'];
}

async function loadEverywhere(brought: Brought, scene: Scene, progress: Progress): Promise<void> {
  const { runtime, haproxy } = scene;
  if (haproxy === undefined) return;
  const places = haproxy.files.get(brought.wanted.file) ?? [];
  try {
    for (const place of places) {
      const isServed = isServing(place, brought.wanted);
      if (!isServed || (brought.kind === 'staple' && brought.staple !== undefined)) {
        await loadStapled(runtime, place, brought, haproxy.capabilities, isServed, progress);
        progress.isLoaded = true;
      }
      if (await list(runtime, place)) progress.isLoaded = true;
      progress.certificate = await readBack(runtime, place.filename, brought.pem);
      checkStaple(progress, place.filename);
    }
  } catch (error) {
    if (reactionTo(codeOf(error)) === 'refused')
      await takeBack(error, brought, places, { ...scene, haproxy }, progress);
    throw error;
  }
}

/** HAProxy has refused: the old file, and the old certificate in each place that took the new one already. */
async function takeBack(
  refusal: unknown,
  { path, wanted }: Brought,
  places: readonly RuntimeFile[],
  scene: Scene & { haproxy: HaproxyView },
  progress: Progress,
): Promise<void> {
  const { runtime, haproxy } = scene;
  const { pid } = await runtime.showInfo();
  if (pid !== haproxy.process.pid) throw reloaded(haproxy.process.pid, pid, refusal);
  await putBackTails(path, places, scene.crtListFile);
  // Served already, it is not the PEM that was refused.
  if (!places.some((place) => isServing(place, wanted))) {
    await putBack(path, progress.isWritten === true || codeOf(refusal) === 'ERR_RUNTIME_REFUSED');
    await putBack(stapleFileOf(path), progress.isWritten === true);
  }
  const old = await readFile(path, 'utf8').catch(() => undefined);
  const staple = await readFile(stapleFileOf(path)).catch(() => undefined);
  for (const place of places) {
    const seen = await runtime.showCertificate(place.filename);
    if (place.certificate?.status !== 'Used') await unload(runtime, place);
    else if (seen?.serial !== place.certificate.serial && isCanonical(old))
      await loadStapled(runtime, place, { text: old, staple }, haproxy.capabilities, false, progress);
    if (place.entries?.length)
      await list(runtime, { ...place, tails: place.entries.map(({ tail }) => tail) });
  }
  progress.isWritten = false;
  progress.isLoaded = false;
}

async function enlist({ file, listing }: WantedFile, { crtListFile }: Scene): Promise<boolean> {
  if (crtListFile === undefined) return false;
  const listed = await viewCrtList(crtListFile, [file]);
  return writeTails(crtListFile, file, wantedTails(listing, listed.get(file)));
}

/** The lines that HAProxy has taken before: one that it refuses would stop its next start. */
async function putBackTails(
  path: string,
  places: readonly RuntimeFile[],
  crtListFile: CrtListFile | undefined,
): Promise<void> {
  const entries = places.flatMap((place) => place.entries ?? []);
  if (crtListFile === undefined || !places.some((place) => place.entries)) return;
  await writeTails(
    crtListFile,
    basename(path),
    entries.map(({ tail }) => tail),
  );
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
