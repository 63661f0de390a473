/** What the issuer remembers as ended, fleet by fleet: where that cannot be read, no pass publishes to the fleet. */
import { BucketError, ContractError, messageOf } from '#contract/errors.ts';
import { fleetName } from '#contract/layout.ts';
import type { IssuerMemory } from '../publication/ended.ts';
import type { StatusLine } from './status-line.ts';

export async function tombstoneLines(memory: IssuerMemory, fleets: readonly string[]): Promise<StatusLine[]> {
  const lines: StatusLine[] = [];
  for (const fleet of fleets) {
    try {
      await memory.of(fleetName.parse(fleet));
    } catch (error) {
      if (!(error instanceof ContractError || error instanceof BucketError)) throw error;
      const text = `fleet ${fleet}: what was withdrawn or revoked there is unknown, so nothing is published to it: ${error.code} ${messageOf(error)}`;
      // A reader may lack a right that the issuer has.
      const level = error instanceof ContractError ? 'wrong' : 'unknown';
      lines.push({ level, code: 'tombstones-unreadable', fleet, text });
    }
  }
  return lines;
}
