/** What a pre-flight finds: one line for each thing that an order will need. */

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
