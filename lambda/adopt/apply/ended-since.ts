/**
 * What `--undo` must not give back: certificates that were withdrawn or revoked since they were adopted, and such whose keys somebody has.
 * The issuer's own memory says so, whatever has become of `published/`.
 */
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
  for (const fleet of await memory.fleets()) {
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
