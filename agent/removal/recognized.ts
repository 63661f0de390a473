/**
 * Files that the manifest proves to be ours though both records of them are lost: it names their digest in a tombstone, or as the
 * publication before the present one.
 */
import { type CertificateName, pemFileName } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { FileRecord } from '../state/file-record.ts';
import type { AgentState } from '../state/state.ts';

type Records = AgentState['files'];
type Digests = readonly { sha256: string }[];

/** Names of files that may be ours, beside those of the records. */
export function possibleFiles({ certificates, tombstones = {} }: Manifest, records: Records): string[] {
  const renewed = Object.entries(certificates).filter(([, { previous }]) => previous !== undefined);
  const names = [...Object.keys(tombstones), ...renewed.map(([name]) => name)];
  const files = names.flatMap((name) => possibleFileNames(name as CertificateName));
  return files.filter((file) => records.get(file) === undefined);
}

/** Under which names a host may have a certificate. */
export const possibleFileNames = (name: CertificateName): string[] => [
  pemFileName(name, '', 1),
  pemFileName(name, 'rsa', 2),
  pemFileName(name, 'ec', 2),
];

/** @returns `records` itself where there is no such file */
export function withRecognized(
  records: Records,
  { certificates, tombstones = {} }: Manifest,
  disk: ReadonlyMap<string, { sha256: string }>,
): Records {
  const recognized = new Map<string, FileRecord>();
  const recognize = (name: string, pems: Digests) => {
    const certificate = name as CertificateName;
    for (const file of possibleFileNames(certificate)) {
      const onDisk = disk.get(file)?.sha256;
      const isOurs = onDisk !== undefined && pems.some(({ sha256 }) => sha256 === onDisk);
      if (isOurs && records.get(file) === undefined) recognized.set(file, { certificate, written: [onDisk] });
    }
  };
  for (const [name, { pems }] of Object.entries(tombstones)) recognize(name, pems);
  for (const [name, { previous }] of Object.entries(certificates)) {
    if (previous !== undefined) recognize(name, previous.pems);
  }
  return records.with(recognized);
}
