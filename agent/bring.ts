/**
 * One certificate on its way: fetch → verify → install → load → prove. The file comes before HAProxy, so that a
 * reload in between reads the new one; what HAProxy refuses is taken back, on disk and at run time.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CombinedPem, digest, parse, verify } from '#contract/combined-pem.ts';
import { codeOf, PemRejected } from '#contract/errors.ts';
import { HostError, RuntimeCommandFailed, reactionTo } from './errors.ts';
import type { CertificateStatus } from './haproxy/answers.ts';
import type { HaproxyView, RuntimeFile } from './haproxy/view.ts';
import { dropPrevious, install, putBack, remove } from './install.ts';
import { unload } from './load.ts';
import { type Action, isServing } from './plan.ts';
import type { Scene } from './scene.ts';
import { checkStaple, fetchStaple, loadStapled, placeStaple, stapleFileOf } from './staple.ts';
import { proveServed, readBack } from './verify-served.ts';
import type { WantedFile } from './wanted.ts';

/** How far a certificate got; filled in on the way, because a failure must not hide it. */
export interface Progress {
  isWritten?: boolean;
  isLoaded?: boolean;
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
  if (scene.haproxy === undefined || scene.hindrance !== undefined) throw scene.hindrance;
  const text = body.toString('utf8');
  const brought = { wanted, path, pem, text, staple: staple || undefined, kind: action.kind };
  await loadEverywhere(brought, scene, progress);
  if (isStapleStale && staple === undefined) progress.staple ??= { sha256: undefined };
  await dropPrevious(path);
  await dropPrevious(stapleFileOf(path));
  progress.handshakes = await proveServed(scene.config.haproxy.handshake, wanted, pem);
}

/** Removes a file of ours that the manifest no longer wants: from HAProxy first, else it would serve it on. */
export async function takeAway({ file }: Action, scene: Scene): Promise<void> {
  for (const place of scene.haproxy?.files.get(file) ?? []) await unload(scene.runtime, place);
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
  { path }: Brought,
  places: readonly RuntimeFile[],
  { runtime, haproxy }: Scene & { haproxy: HaproxyView },
  progress: Progress,
): Promise<void> {
  const { pid } = await runtime.showInfo();
  if (pid !== haproxy.process.pid) throw reloaded(haproxy.process.pid, pid, refusal);
  await putBack(path, progress.isWritten === true || codeOf(refusal) === 'ERR_RUNTIME_REFUSED');
  await putBack(stapleFileOf(path), progress.isWritten === true);
  const old = await readFile(path, 'utf8').catch(() => undefined);
  const staple = await readFile(stapleFileOf(path)).catch(() => undefined);
  for (const place of places) {
    const seen = await runtime.showCertificate(place.filename);
    if (place.certificate?.status !== 'Used') await unload(runtime, place);
    else if (seen?.serial !== place.certificate.serial && isCanonical(old))
      await loadStapled(runtime, place, { text: old, staple }, haproxy.capabilities, false, progress);
  }
  progress.isWritten = false;
  progress.isLoaded = false;
}

/** Somebody else's file may hold blank lines, which would end the payload early: it is not sent. */
function isCanonical(text: string | undefined): text is string {
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
