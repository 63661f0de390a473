/** The files that HAProxy loads become the agent's: the same certificates at the same paths, each readable and writable by the agent's user. */
import { lstatSync, readlinkSync } from 'node:fs';
import { chmod, chown } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { digest } from '#contract/combined-pem.ts';
import { keptName, replaceFile } from '#storage/atomic-file.ts';
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

type RecordedPem = RecordedAdoption['pems'][number];

/** For the record: what is there, and where `keepPems` will copy it. */
export async function recordedPems({
  certificates,
  places,
}: Pick<FilesRequest, 'certificates' | 'places'>): Promise<RecordedPem[]> {
  const pems: RecordedPem[] = [];
  const all = certificates.flatMap(({ name, files }) => files.map((one) => ({ ...one, name })));
  for (const { file, pem, name } of all) {
    const stats = lstatSync(file, { throwIfNoEntry: false });
    const one = {
      ...{ path: file, name, serial: pem.leaf.serialNumber, published: digest(pem.text) },
      ...{ mode: (stats?.mode ?? 0) & 0o7777, uid: stats?.uid ?? 0, gid: stats?.gid ?? 0 },
    };
    if (stats?.isSymbolicLink()) pems.push({ ...one, link: readlinkSync(file) });
    else if (stats === undefined) pems.push(one);
    else {
      const sha256 = sha256Of((await readState(file))?.body);
      pems.push({
        ...one,
        before: { copy: join(places.certsDir, keptName(basename(file), sha256)), sha256 },
      });
    }
  }
  return pems;
}

/** Where the agent keeps what was in the place of its files: as soon as a key is stolen, or old, it deletes the copy. */
export async function keepPems(
  pems: readonly RecordedPem[],
  { owner }: Pick<FilesRequest, 'owner'>,
): Promise<void> {
  for (const { path, before } of pems) {
    if (before === undefined) continue;
    const body = (await readState(path))?.body;
    if (body === undefined || sha256Of(body) !== before.sha256) {
      throw new Error(`another program has changed ${path} meanwhile: adopt again`);
    }
    await replaceFile(before.copy, body, { mode: 0o600, ...owner });
  }
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
