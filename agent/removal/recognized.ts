/**
 * Files that the manifest proves to be ours though both records of them are lost: it names their digest in a tombstone, or as the
 * publication before the present one.
 */
import { type CertificateName, pemFileName } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import { entriesOf } from '#contract/shard/content.ts';
import type { FileRecord } from '../state/file-record.ts';
import type { AgentState } from '../state/state.ts';

type Records = AgentState['files'];
type Digests = readonly { sha256: string }[];

/** Names of files that may be ours, beside those of the records. */
export function possibleFiles(manifest: Manifest, records: Records): string[] {
  const renewed = [...entriesOf(manifest)].filter(([, { previous }]) => previous !== undefined);
  const ended = Object.keys(manifest.tombstones ?? {}) as CertificateName[];
  const files = [...ended, ...renewed.map(([name]) => name)].flatMap(possibleFileNames);
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
  manifest: Manifest,
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
  for (const [name, { pems }] of Object.entries(manifest.tombstones ?? {})) recognize(name, pems);
  for (const [name, { previous }] of entriesOf(manifest)) {
    if (previous !== undefined) recognize(name, previous.pems);
  }
  return records.with(recognized);
}
