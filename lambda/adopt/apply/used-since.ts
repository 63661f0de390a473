/** Whether the bucket holds more than adopt has put there: then it stays where `--undo` would take it away. */
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { RecordedRun } from '../../init/apply/record.ts';
import { IssuerMemory } from '../../publication/ended.ts';

const PEM = /\/pem\/[^/]+\/([0-9a-f]{64})\.pem$/;

/** Certificates that were imported or issued since, and the word of what was withdrawn. @throws BucketError, ContractError: nobody knows */
export async function isUsedSince(
  bucket: Bucket,
  runs: readonly Pick<RecordedRun, 'adoption'>[],
): Promise<boolean> {
  const own = new Set(runs.flatMap(({ adoption }) => adoption?.pems.map(({ published }) => published) ?? []));
  const keys = await bucket.list(layout.publishedFleets);
  const pems = keys.flatMap((key) => PEM.exec(key)?.[1] ?? []);
  if (pems.some((sha256) => !own.has(sha256))) return true;
  const memory = new IssuerMemory(bucket);
  for (const fleet of await memory.fleets()) {
    if (Object.keys((await memory.of(fleet)).tombstones).length > 0) return true;
  }
  return false;
}
