/** One certificate to this host: fetch → verify → install. HAProxy hears of it when its file is there. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CombinedPem, digest, verify } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';
import type { HostView } from '../agent.ts';
import type { WantedFile } from '../desired/files.ts';
import { HostError } from '../errors.ts';
import type { Action, Progress } from './action.ts';
import { install } from './install.ts';
import { fetchStaple, placeStaple } from './staple.ts';

export interface InstalledFile {
  action: Action;
  wanted: WantedFile;
  path: string;
  pem: CombinedPem;
  text: string;
  staple: Buffer | undefined;
  /** What HAProxy may have as its OCSP response is of another certificate or time. */
  isStapleStale: boolean;
}

export async function fetchAndInstall(
  action: Action,
  scene: HostView,
  progress: Progress,
): Promise<InstalledFile> {
  const { wanted, file } = action;
  if (wanted === undefined) throw new TypeError(`nothing is wanted of ${file}`);
  const path = join(scene.config.haproxy.certsDir, file);
  const { body, isOnDisk } = await obtain(wanted, path, scene);
  const pem = check(body, wanted, scene.now());
  const staple =
    (await fetchStaple(wanted, scene).catch((error: unknown) => {
      progress.stapleError = error;
    })) || undefined;
  if (!isOnDisk || scene.disk.get(file)?.isGuarded !== true) {
    await install(path, body, scene.config.pem);
    progress.isWritten = true;
  }
  const isStapleStale = !isOnDisk || (action.kind === 'staple' && progress.stapleError === undefined);
  await placeStaple(file, staple, isStapleStale, scene);
  return { action, wanted, path, pem, text: body.toString('utf8'), staple, isStapleStale };
}

async function obtain(
  wanted: WantedFile,
  path: string,
  scene: HostView,
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
