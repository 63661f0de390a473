/** As which user a command goes on. Pure. */
import type { Account } from './accounts.ts';

export interface UserFacts {
  /** Of this process; undefined where the system has no users. */
  uid: number | undefined;
  /** Who owns the directory; undefined: it does not exist. */
  owner: number | undefined;
  /** The user of the units, where the machine has one. */
  service: Account | undefined;
  /** Whether this process may do with the directory what the command does. */
  mayUse: boolean;
}

/**
 * `stay`: it is the right user; `become`: root goes on as the owner, or as the units' user in a new directory; `refuse`: another user
 * must type it. Where root runs everything, as in a container, root is the right user.
 */
export type UserDecision = 'stay' | 'become-owner' | 'become-service' | 'refuse';

export function decideUser({ uid, owner, service, mayUse }: UserFacts): UserDecision {
  if (uid === undefined) return 'stay';
  if (uid !== 0) return mayUse || owner === uid ? 'stay' : 'refuse';
  if (owner !== undefined) return owner === 0 ? 'stay' : 'become-owner';
  return service === undefined || service.uid === 0 ? 'stay' : 'become-service';
}
