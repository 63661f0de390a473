/**
 * The OCSP response of a certificate: a file `X.pem.ocsp` that HAProxy reads at its start, and a part of every
 * hot update, which would lose it otherwise. A certificate never waits for its staple.
 */
import { join } from 'node:path';
import { printable } from '#common/printable.ts';
import { digest } from '#contract/combined-pem.ts';
import { codeOf, messageOf, PemRejected } from '#contract/errors.ts';
import { MAX_OCSP_BYTES } from '#contract/limits.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { HostView } from '../agent.ts';
import { stapleFileOf, stapleOf } from '../desired/files.ts';
import { HostError, RuntimeCommandFailed } from '../errors.ts';
import type { Condition } from '../trust/conditions.ts';
import type { Deployed, DeployingAction, Outcome } from './action.ts';
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
    return readRegularFile(join(view.config.haproxy.certsDir, file), MAX_OCSP_BYTES);
  }
  const object = await (await view.openBucket()).get(staple.key);
  if (object === undefined) throw new HostError('ERR_PEM_MISSING', `the bucket holds no ${staple.key}`);
  if (digest(object.body) === staple.sha256) return object.body;
  throw new PemRejected(
    'ERR_PEM_DIGEST',
    `${staple.key}: wanted SHA-256 ${staple.sha256}, saw ${digest(object.body)}`,
  );
}

const MAX_NAMES = 5;

/** For the status: somebody may have put another response there. HAProxy goes on with the one before, or without. */
export function stapleCondition(outcomes: readonly Outcome[]): Condition<'staple-failed'>[] {
  const failed = outcomes.filter(({ deployed }) => deployed.stapleError !== undefined);
  const [first] = failed;
  if (first === undefined) return [];
  const { action, deployed } = first;
  const names = failed.map(({ action: { certificate } }) => printable(certificate));
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
  const why = `${action.file}: ${codeOf(deployed.stapleError)}: ${messageOf(deployed.stapleError)}`;
  const saw = `the OCSP responses of ${names.slice(0, MAX_NAMES).join(', ')}${more} cannot be stapled (${why})`;
  const fix =
    "the issuer's next pass puts back what the bucket lost; if nothing was lost, somebody else writes to it";
  return [{ condition: 'staple-failed', saw, fix }];
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
