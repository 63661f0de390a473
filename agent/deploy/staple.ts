/**
 * The OCSP response of a certificate: a file `X.pem.ocsp` that HAProxy reads at its start, and a part of every
 * hot update, which would lose it otherwise. A certificate never waits for its staple.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digest } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';
import type { HostView } from '../agent.ts';
import { stapleFileOf, stapleOf } from '../desired/files.ts';
import { HostError, RuntimeCommandFailed } from '../errors.ts';
import type { Deployed, DeployingAction } from './action.ts';
import { install, setAside } from './install.ts';

/** @throws HostError `ERR_PEM_MISSING`, `ERR_INSTALL_NOT_OURS`, PemRejected `ERR_PEM_DIGEST` */
export async function fetchStaple(
  { desired, hasForeignStaple }: DeployingAction,
  view: HostView,
): Promise<Buffer | undefined> {
  const staple = stapleOf(desired, view.now());
  if (staple === undefined) return undefined;
  const file = stapleFileOf(desired.file);
  if (hasForeignStaple) {
    const path = join(view.config.haproxy.certsDir, file);
    throw new HostError(
      'ERR_INSTALL_NOT_OURS',
      `not ours: ${path}. The agent leaves it as it is; move it away, or stop the program that writes it`,
    );
  }
  if (view.disk.get(file)?.sha256 === staple.sha256) {
    return readFile(join(view.config.haproxy.certsDir, file));
  }
  const object = await (await view.openBucket()).get(staple.key);
  if (object === undefined) throw new HostError('ERR_PEM_MISSING', `the bucket holds no ${staple.key}`);
  if (digest(object.body) === staple.sha256) return object.body;
  throw new PemRejected(
    'ERR_PEM_DIGEST',
    `${staple.key}: wanted SHA-256 ${staple.sha256}, saw ${digest(object.body)}`,
  );
}

/** Writes it; without one, removes a file that `isStale`: that of an earlier certificate, or an older response. */
export async function placeStaple(
  file: string,
  staple: Buffer | undefined,
  isStale: boolean,
  view: HostView,
): Promise<void> {
  const onDisk = view.disk.get(stapleFileOf(file))?.sha256;
  const path = join(view.config.haproxy.certsDir, stapleFileOf(file));
  if (staple === undefined && isStale && onDisk !== undefined) await setAside(path, view.config.pem);
  if (staple !== undefined && digest(staple) !== onDisk) await install(path, staple, view.config.pem);
}

/** HAProxy says "Success!" to any bytes, and (2.6; not 3.x) shows whether it could use them. */
export function checkStaple(deployed: Deployed, filename: string): Deployed {
  if (deployed.staple?.sha256 === undefined || deployed.certificate?.hasStaple !== false) return deployed;
  const request = { verb: 'show ssl cert', filename };
  const detail = 'HAProxy could not use the OCSP response';
  const stapleError = new RuntimeCommandFailed('ERR_RUNTIME_READ_BACK', request, detail);
  return { ...deployed, staple: undefined, stapleError };
}
