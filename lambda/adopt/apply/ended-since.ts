/**
 * What `--undo` must not give back: certificates that were withdrawn or revoked since they were adopted, and such whose keys somebody has.
 * The issuer's own memory says so, whatever has become of `published/`.
 */
import { ContractError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { wordOf } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { RecordedRun } from '../../init/apply/record.ts';
import { IssuerMemory } from '../../publication/ended.ts';

/** What other certificates have taken the place of is sound. */
const SOUND = 'superseded';

/**
 * In every fleet: what one fleet must not have, no other one gets.
 * @returns why, by path. @throws BucketError, ContractError: nobody knows
 */
export async function endedSince(
  bucket: Bucket,
  runs: readonly Pick<RecordedRun, 'at' | 'adoption'>[],
): Promise<Map<string, string>> {
  const memory = new IssuerMemory(bucket);
  const ended = new Map<string, string>();
  const fleets = await memory.fleets();
  // A mount that is missing, another directory, a lost issuer/: what was there has ended something, or has not.
  if (fleets.length === 0 && runs.some(hasPublished)) {
    const says =
      'is empty, and adopt has published: the bucket is not mounted, is another one, or has lost it';
    throw new ContractError('ERR_TOMBSTONES', layout.allTombstones, says);
  }
  for (const fleet of fleets) {
    const { tombstones } = await memory.of(fleet);
    for (const { at, adoption } of runs) {
      for (const { path, name, published } of adoption?.pems ?? []) {
        const tombstone = tombstones[name];
        if (tombstone === undefined) continue;
        const { stolenAt } = tombstone;
        const pem = tombstone.pems.find(({ sha256 }) => sha256 === published);
        const word = pem && wordOf(tombstone, pem);
        if (stolenAt !== undefined && Date.parse(stolenAt) >= Date.parse(at)) {
          ended.set(path, `its key is stolen, as was said at ${stolenAt}`);
        } else if (word !== undefined && word.reason !== SOUND) {
          ended.set(path, `its certificate was ${word.reason} at ${word.at}`);
        }
      }
    }
  }
  return ended;
}

/** A run that was killed may not have come so far. */
function hasPublished({ adoption }: Pick<RecordedRun, 'adoption'>): boolean {
  return adoption?.isDone === true && adoption.pems.length > 0;
}
