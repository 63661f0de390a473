/** All versions of a certificate in a fleet that are known, with what became of each: the one in force, and those of the history. */
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import { type EndingWord, type ManifestEntry, wordOf } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { IssuerMemory } from '../ended.ts';
import { listPems } from '../published-pems.ts';
import { type OwnKeys, readManifest } from '../read-manifest.ts';
import { uniteTombstones } from '../tombstones.ts';
import { isHistorySpoilt, type PublishedVersion, readHistory } from './history.ts';

export interface KnownVersion extends PublishedVersion {
  /** It is what the fleet serves. */
  isInForce: boolean;
  /** When another one took its place, or it was ended and none did. */
  until?: string | undefined;
  /** A tombstone ends it. */
  ended?: EndingWord | undefined;
  /** The bucket holds its combined PEM, and with it the private key. */
  isKeyThere: boolean;
}

export interface CertificateVersions {
  fleet: FleetName;
  /** Undefined: it is not published now. */
  entry: ManifestEntry | undefined;
  /** The newest first. */
  versions: KnownVersion[];
  /** PEMs that an operator has ended there, also of versions that the history has no more. */
  ended: readonly EndedVersion[];
  /** Its history is there and cannot be read: earlier versions are unknown. */
  isHistoryUnreadable: boolean;
}

export interface EndedVersion {
  fleet: FleetName;
  sha256: string;
  word: EndingWord;
}

/** @throws BucketError, ContractError */
export async function readVersions(
  { bucket, keys }: { bucket: Bucket; keys: OwnKeys },
  fleet: FleetName,
  name: CertificateName,
): Promise<CertificateVersions> {
  const memory = new IssuerMemory(bucket);
  const read = await readManifest(bucket, fleet, keys, memory);
  const entry = read?.manifest.certificates[name];
  const { tombstones } = await memory.of(fleet);
  const tombstone = uniteTombstones(tombstones, read?.manifest.tombstones ?? {})[name];
  const history = await readHistory(bucket, fleet, name);
  const isHistoryUnreadable = history.length === 0 && (await isHistorySpoilt(bucket, fleet, name));
  // The history is written after the commit, and may lack it.
  const isMissing = entry !== undefined && !(history[0] !== undefined && samePemsAs(history[0], entry));
  const all: PublishedVersion[] = isMissing ? [entry, ...history] : history;
  const stored = await listPems(bucket, fleet, name);
  const versions = all.map((version, index): KnownVersion => {
    const ended = version.pems.flatMap(
      ({ sha256 }) => tombstone?.pems.find((pem) => pem.sha256 === sha256) ?? [],
    )[0];
    const isInForce = index === 0 && entry !== undefined;
    const word = ended && tombstone && !isInForce ? wordOf(tombstone, ended) : undefined;
    const until = index > 0 ? all[index - 1]?.publishedAt : word?.at;
    return {
      ...version,
      isInForce,
      ...(until !== undefined && { until }),
      ...(word && { ended: word }),
      isKeyThere: version.pems.every(
        ({ sha256 }) => stored?.includes(layout.pem(fleet, name, sha256)) ?? true,
      ),
    };
  });
  const ended = (tombstone?.pems ?? []).flatMap((pem): EndedVersion[] => {
    const word = tombstone === undefined ? undefined : wordOf(tombstone, pem);
    // Other certificates took its place: nothing is wrong with it.
    if (word === undefined || word.reason === 'superseded') return [];
    return [{ fleet, sha256: pem.sha256, word }];
  });
  return { fleet, entry, versions, ended, isHistoryUnreadable };
}

function samePemsAs({ pems }: PublishedVersion, entry: ManifestEntry): boolean {
  return pems.map(({ sha256 }) => sha256).join() === entry.pems.map(({ sha256 }) => sha256).join();
}
