/** Brings one certificate to this host: fetch → verify → install. HAProxy gets it when its file is there. */
import { join } from 'node:path';
import {
  type CombinedPem,
  canonicalIdentifier,
  digest,
  leafNamesOf,
  verify,
} from '#contract/combined-pem.ts';
import { codeOf, PemRejected } from '#contract/errors.ts';
import { MAX_PEM_BYTES } from '#contract/limits.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { HostView } from '../agent.ts';
import type { DesiredFile } from '../desired/files.ts';
import { HostError } from '../errors.ts';
import { type Deployed, DeployFailed, type DeployingAction, NOTHING_DEPLOYED } from './action.ts';
import { viewFile } from './disk.ts';
import { install, keepReplaced } from './install.ts';
import { fetchStaple, placeStaple } from './staple.ts';

/** The file and its staple are on disk; HAProxy gets them next. */
export interface InstalledFile {
  kind: 'installed';
  action: DeployingAction;
  path: string;
  pem: CombinedPem;
  text: string;
  staple: Buffer | undefined;
  /** The OCSP response that HAProxy may have is that of an earlier certificate, or an older one. */
  isStapleStale: boolean;
  deployed: Deployed;
}

/** @throws DeployFailed, PemRejected, BucketError, HostError `ERR_PEM_MISSING` */
export async function fetchAndInstall(action: DeployingAction, view: HostView): Promise<InstalledFile> {
  const { desired, file } = action;
  const path = join(view.config.haproxy.certsDir, file);
  const { body, isOnDisk } = await obtain(desired, path, view);
  const pem = check(body, desired, view.now());
  let deployed = NOTHING_DEPLOYED;
  const staple = await fetchStaple(action, view).catch((stapleError: unknown) => {
    deployed = { ...deployed, stapleError };
    return undefined;
  });
  try {
    if (!isOnDisk || view.disk.get(file)?.isGuarded !== true) {
      if (view.unrecorded !== undefined) throw view.unrecorded;
      if (action.hasForeignContent) await keepContent(action, path, view);
      refuseChanged(action, path, view);
      await install(path, body, view.config.pem);
      deployed = { ...deployed, isWritten: true, hasOtherNames: hasOtherNames(pem, desired) };
    }
    const isStapleStale = !isOnDisk || (action.kind === 'staple' && deployed.stapleError === undefined);
    if (!action.hasForeignStaple) await placeStaple(file, staple, isStapleStale, view);
    const text = body.toString('utf8');
    return { kind: 'installed', action, path, pem, text, staple, isStapleStale, deployed };
  } catch (error) {
    throw new DeployFailed(error, deployed);
  }
}

function hasOtherNames({ leaf }: CombinedPem, { identifiers, names = [] }: DesiredFile): boolean {
  const known = new Set([...identifiers.map(canonicalIdentifier), ...names]);
  return leafNamesOf(leaf).some((name) => !known.has(name));
}

/** A key that exists only in this file must not be destroyed. */
async function keepContent(
  { file, certificate }: DeployingAction,
  path: string,
  view: HostView,
): Promise<void> {
  const kept = await keepReplaced(path);
  if (kept !== undefined) view.log('certificate.replaced', { certificate, file, kept });
}

/** A pass over thousands of certificates takes minutes: what another program wrote meanwhile, the next pass decides on. */
function refuseChanged({ file }: DeployingAction, path: string, view: HostView): void {
  const [before, now] = [view.disk.get(file), viewFile(path, view.config.pem)];
  if (before?.sha256 === now?.sha256) return;
  throw new HostError(
    'ERR_INSTALL',
    `${path} was changed by another program during this pass; the next one decides`,
  );
}

async function obtain(
  desired: DesiredFile,
  path: string,
  view: HostView,
): Promise<{ body: Buffer; isOnDisk: boolean }> {
  if (view.disk.get(desired.file)?.sha256 === desired.sha256) {
    return { body: await readRegularFile(path, MAX_PEM_BYTES), isOnDisk: true };
  }
  return { body: await download(desired, view), isOnDisk: false };
}

/** No more than the manifest says is read, and never more than a PEM may have. */
async function download({ key, size }: DesiredFile, view: HostView): Promise<Buffer> {
  if (size > MAX_PEM_BYTES) {
    throw new PemRejected(
      'ERR_PEM_SIZE',
      `wanted at most ${MAX_PEM_BYTES} bytes, saw ${size} in the manifest`,
    );
  }
  const bucket = await view.openBucket();
  const object = await bucket.get(key, { maxBytes: size }).catch((error: unknown) => {
    if (codeOf(error) !== 'ERR_BUCKET_SIZE') throw error;
    throw new PemRejected('ERR_PEM_DIGEST', `wanted ${size} bytes, saw more`, { cause: error });
  });
  if (object === undefined) throw new HostError('ERR_PEM_MISSING', `the bucket holds no ${key}`);
  return object.body;
}

function check(body: Buffer, desired: DesiredFile, now: Date): CombinedPem {
  // The bytes, not the text: decoding would hide a difference.
  if (digest(body) !== desired.sha256) {
    throw new PemRejected('ERR_PEM_DIGEST', `wanted SHA-256 ${desired.sha256}, saw ${digest(body)}`);
  }
  const { identifiers, serial, keyType, isIssuedByRoot } = desired;
  const pem = verify(body.toString('utf8'), { identifiers, serial, keyType, isIssuedByRoot }, now);
  if (pem.chain.length === desired.chainLength) return pem;
  const detail = `wanted ${desired.chainLength} certificates, saw ${pem.chain.length}`;
  throw new PemRejected('ERR_PEM_CHAIN', detail);
}
