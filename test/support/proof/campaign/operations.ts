/** The operations of a campaign, as values: a name and words that say it whole, so that a log of them tells what happened. */

import { BUCKET_KINDS } from './bucket-operations.ts';
import type { Campaign } from './campaign.ts';
import { HOST_KINDS } from './host-operations.ts';
import { ISSUER_KINDS } from './issuer-operations.ts';

export interface OperationKind {
  /** How often it comes, beside the others. */
  weight: number;
  /** @returns its words; undefined: it cannot be done now */
  choose(campaign: Campaign): string[] | undefined;
  apply(campaign: Campaign, ...words: string[]): Promise<void>;
}

export const KINDS: Readonly<Record<string, OperationKind>> = {
  ...ISSUER_KINDS,
  ...BUCKET_KINDS,
  ...HOST_KINDS,
};

/** Weights in place of those of the kinds. `keys`: losses, backups, clocks and changes of the key. */
export const PROFILES = {
  all: {},
  keys: { lose: 8, restore: 8, backup: 3, 'rotate-key': 5, 'issuer-clock': 6, pass: 6, 'lose-state': 3 },
} as const satisfies Readonly<Record<string, Readonly<Record<string, number>>>>;
export type ProfileName = keyof typeof PROFILES;
