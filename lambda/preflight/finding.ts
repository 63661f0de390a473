/** What a pre-flight finds: one line for each thing that an order will need. */

/** Asked of the DNS, or of hosts, at the same time: resolvers drop what comes in thousands. */
export const NAMES_AT_ONCE = 20;

export type CheckName =
  | 'account'
  | 'addresses'
  | 'caa'
  | 'clock'
  | 'limits'
  | 'profile'
  | 'record'
  | 'responder'
  | 'zone';

export interface PreflightFinding {
  check: CheckName;
  /** A name, or the directory URL of a CA. */
  subject: string;
  /** `unknown`: nothing is known to be wrong, and nothing says that it is right. */
  result: 'ok' | 'failed' | 'unknown';
  wanted: string;
  saw: string;
  /** What to do; absent: nothing. */
  advice?: string;
}
