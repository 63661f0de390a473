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
