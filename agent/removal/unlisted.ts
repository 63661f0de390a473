/**
 * Files of ours that the manifest does not name. Absence is no order: such a file is desired as the disk has it, so that its mode and
 * owner, its place among namesakes, its handshakes and its crt-list line are looked after until it ends.
 */
import { join } from 'node:path';
import { type CombinedPem, digest, keyTypeOf, leafNamesOf, parse } from '#contract/combined-pem.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import type { DiskFile } from '../deploy/action.ts';
import { readPlainFile } from '../deploy/disk.ts';
import { type DesiredFile, stapleFileOf } from '../desired/files.ts';
import type { FileRecord, FileRecords } from '../state/file-record.ts';

export interface OwnFiles {
  fleet: FleetName;
  certsDir: string;
  disk: ReadonlyMap<string, DiskFile>;
  records: FileRecords;
}

/** Whether the file holds what the agent wrote there. */
export function isOwnContent(file: string, { disk, records }: Pick<OwnFiles, 'disk' | 'records'>): boolean {
  const onDisk = disk.get(file)?.sha256;
  return onDisk !== undefined && records.get(file)?.written.includes(onDisk) === true;
}

/** Of the entry that brought the file's content here; 0: version 1, or a lost record. */
export function sequenceOf(file: string, { disk, records }: Pick<OwnFiles, 'disk' | 'records'>): number {
  const onDisk = disk.get(file)?.sha256;
  return records.get(file)?.receipts?.find(({ sha256 }) => sha256 === onDisk)?.sequence ?? 0;
}

/** @returns undefined for a file that is not as the agent wrote it, or has changed since it was compared */
export function readUnlisted(file: string, own: OwnFiles): DesiredFile | undefined {
  const record = own.records.get(file);
  const onDisk = own.disk.get(file);
  if (record === undefined || onDisk === undefined || !isOwnContent(file, own)) return undefined;
  const content = readOwnPem(join(own.certsDir, file), onDisk.sha256);
  if (content === undefined) return undefined;
  const { leaf, chain } = content.pem;
  const { certificate, listing, receipts } = record;
  const { sha256 } = onDisk;
  const known = receipts?.find((one) => one.sha256 === sha256);
  return {
    ...{ file, certificate, sha256, size: content.size, isUnlisted: true },
    key: layout.pem(own.fleet, certificate, sha256),
    serial: leaf.serialNumber,
    keyType: keyTypeOf(leaf.publicKey),
    chainLength: chain.length,
    notBefore: new Date(leaf.validFrom),
    notAfter: new Date(leaf.validTo),
    publishedAt: new Date(leaf.validFrom),
    ...(known && { sequence: known.sequence, receipt: known.receipt }),
    identifiers: leafNamesOf(leaf),
    names: onDisk.names,
    isPair: /\.(rsa|ecdsa)$/.test(file),
    listing,
    staple: stapleOf(file, sha256, record, own),
  };
}

/** The OCSP response that is there goes with it until it expires. */
function stapleOf(
  file: string,
  pemSha256: string,
  { certificate, stapled, stapledUntil }: FileRecord,
  { fleet, disk }: OwnFiles,
): DesiredFile['staple'] {
  if (stapled === undefined || stapledUntil === undefined) return undefined;
  if (disk.get(stapleFileOf(file))?.sha256 !== stapled) return undefined;
  const key = layout.ocsp(fleet, certificate, pemSha256, stapled);
  return { key, sha256: stapled, nextUpdate: stapledUntil };
}

function readOwnPem(path: string, sha256: string): { pem: CombinedPem; size: number } | undefined {
  try {
    const body = readPlainFile(path);
    return digest(body) === sha256 ? { pem: parse(body.toString('utf8')), size: body.length } : undefined;
  } catch {
    // Gone since, or never a PEM: nothing of it can be looked after.
    return undefined;
  }
}
