/** A row of the table: what he does, and what the host has to say. */
import type { AttackedFleet } from './fleet.ts';

export interface Manipulation {
  name: string;
  /** The issuer's work just before; the host has not polled since. */
  before?: (fleet: AttackedFleet) => unknown;
  /** What he writes. */
  write: (fleet: AttackedFleet) => unknown;
  /** A line of the host's status: a condition or an error code, with its message. */
  says: RegExp;
  /** The host's clock, and the store's, are so many hours ahead. */
  hoursAhead?: number;
  /** Which host meets it. Default: one that has served the fleet. */
  host?: 'new' | 'without state';
}
