/** The files that HAProxy loads become the agent's: the same certificates at the same paths, each readable and writable by the agent's user. */
import { lstatSync, readlinkSync } from 'node:fs';
import { chmod, chown } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { replaceFile } from '#storage/atomic-file.ts';
import { readState, sha256Of } from '../../init/apply/file-change.ts';
import type { RecordedAdoption } from '../../init/apply/record.ts';
import type { AdoptedCertificate } from '../plan/adoption-plan.ts';
import type { ChosenFile } from '../plan/choose-files.ts';
import type { AdoptionPlaces } from '../plan/places.ts';
import { replaceLink } from './replace-link.ts';

export interface FilesRequest {
  certificates: readonly AdoptedCertificate[];
  places: AdoptionPlaces;
  /** Whose they become. */
  owner: { uid: number; gid: number };
  /** Of a HAProxy that never is root: it reads them by its group. */
  readerGid: number | undefined;
}

const ROOT_ONLY = { mode: 0o600 };

type RecordedPem = RecordedAdoption['pems'][number];

/** Copies what is there into the directory of the record. @param number of the run: each has copies of its own, which go with it */
export async function recordPems(
  directory: string,
  number: number,
  { certificates }: Pick<FilesRequest, 'certificates'>,
): Promise<RecordedPem[]> {
  const pems: RecordedPem[] = [];
  for (const { file, pem } of certificates.flatMap(({ files }) => files)) {
    const serial = pem.leaf.serialNumber;
    const stats = lstatSync(file, { throwIfNoEntry: false });
    const attributes = { mode: (stats?.mode ?? 0) & 0o7777, uid: stats?.uid ?? 0, gid: stats?.gid ?? 0 };
    if (stats?.isSymbolicLink()) pems.push({ path: file, link: readlinkSync(file), serial, ...attributes });
    else if (stats === undefined) pems.push({ path: file, serial, ...attributes });
    else {
      const body = (await readState(file))?.body ?? Buffer.alloc(0);
      const copy = `${number}-pem-${sha256Of(Buffer.from(file)).slice(0, 8)}-${basename(file)}`;
      await replaceFile(join(directory, copy), body, ROOT_ONLY);
      pems.push({ path: file, copy, serial, ...attributes });
    }
  }
  return pems;
}

/** What is as wanted already is not written. @returns how many files have changed */
export async function takeFiles(request: FilesRequest): Promise<number> {
  const { certificates, places, owner } = request;
  await giveDirectory(places, owner);
  let changed = 0;
  for (const file of certificates.flatMap(({ files }) => files)) {
    if (await takeFile(file, request)) changed += 1;
  }
  return changed;
}

async function takeFile({ file, pem }: ChosenFile, request: FilesRequest): Promise<boolean> {
  const { places, owner, readerGid } = request;
  const target = join(places.certsDir, basename(file));
  const body = Buffer.from(pem.text);
  const mode = readerGid === undefined ? 0o600 : 0o640;
  const attributes = { mode, uid: owner.uid, gid: readerGid ?? owner.gid };
  const isLink = lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  const state = isLink ? undefined : await readState(target);
  const isSame =
    state?.body.equals(body) &&
    state.uid === attributes.uid &&
    state.gid === attributes.gid &&
    state.mode === mode;
  if (!isSame) await replaceFile(target, body, attributes);
  if (places.linkedFrom === undefined) return !isSame;
  return (await putLink(file, target)) || !isSame;
}

async function putLink(path: string, target: string): Promise<boolean> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() && readlinkSync(path) === target)
    return false;
  await replaceLink(path, target);
  return true;
}

/** Its group stays: HAProxy may read by it. */
async function giveDirectory({ certsDir }: AdoptionPlaces, { uid }: { uid: number }): Promise<void> {
  const { uid: before, gid, mode } = lstatSync(certsDir);
  if (before !== uid) await chown(certsDir, uid, gid);
  if ((mode & 0o700) !== 0o700) await chmod(certsDir, (mode & 0o7777) | 0o700);
}
