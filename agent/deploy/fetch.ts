/** One certificate to this host: fetch → verify → install. HAProxy hears of it when its file is there. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CombinedPem, digest, verify } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';
import type { HostView } from '../agent.ts';
import type { DesiredFile } from '../desired/files.ts';
import { HostError } from '../errors.ts';
import type { Action, Progress } from './action.ts';
import { install } from './install.ts';
import { fetchStaple, placeStaple } from './staple.ts';

export interface InstalledFile {
  action: Action;
  desired: DesiredFile;
  path: string;
  pem: CombinedPem;
  text: string;
  staple: Buffer | undefined;
  /** What HAProxy may have as its OCSP response is of another certificate or time. */
  isStapleStale: boolean;
}

export async function fetchAndInstall(
  action: Action,
  view: HostView,
  progress: Progress,
): Promise<InstalledFile> {
  const { desired, file } = action;
  if (desired === undefined) throw new TypeError(`nothing is wanted of ${file}`);
  const path = join(view.config.haproxy.certsDir, file);
  const { body, isOnDisk } = await obtain(desired, path, view);
  const pem = check(body, desired, view.now());
  const staple =
    (await fetchStaple(desired, view).catch((error: unknown) => {
      progress.stapleError = error;
    })) || undefined;
  if (!isOnDisk || view.disk.get(file)?.isGuarded !== true) {
    await install(path, body, view.config.pem);
    progress.isWritten = true;
  }
  const isStapleStale = !isOnDisk || (action.kind === 'staple' && progress.stapleError === undefined);
  await placeStaple(file, staple, isStapleStale, view);
  return { action, desired, path, pem, text: body.toString('utf8'), staple, isStapleStale };
}

async function obtain(
  desired: DesiredFile,
  path: string,
  view: HostView,
): Promise<{ body: Buffer; isOnDisk: boolean }> {
  if (view.disk.get(desired.file)?.sha256 === desired.sha256)
    return { body: await readFile(path), isOnDisk: true };
  const object = await (await view.openBucket()).get(desired.key);
  if (object === undefined) throw new HostError('ERR_PEM_MISSING', `the bucket holds no ${desired.key}`);
  return { body: object.body, isOnDisk: false };
}

function check(body: Buffer, desired: DesiredFile, now: Date): CombinedPem {
  // The bytes, not the text: decoding would hide a difference.
  if (digest(body) !== desired.sha256)
    throw new PemRejected('ERR_PEM_DIGEST', `wanted SHA-256 ${desired.sha256}, saw ${digest(body)}`);
  const { identifiers, serial, keyType } = desired;
  const pem = verify(body.toString('utf8'), { identifiers, serial, keyType }, now);
  if (pem.chain.length === desired.chainLength) return pem;
  const detail = `wanted ${desired.chainLength} certificates, saw ${pem.chain.length}`;
  throw new PemRejected('ERR_PEM_CHAIN', detail);
}
