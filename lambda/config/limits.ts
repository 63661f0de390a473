/** What CAs limit, and what the configuration sets in place of what they publish (known-cas.ts). */
import * as z from 'zod';

/** What CAs count; Let's Encrypt's page on rate limits has the same. */
export const LIMIT_KINDS = [
  'newOrders',
  'certificatesPerDomain',
  'certificatesPerNames',
  'failedValidations',
  'consecutiveFailures',
  'newAccounts',
] as const;

export type LimitKind = (typeof LIMIT_KINDS)[number];

/** `count` at once, and one more each `perMs / count`. */
export interface Limit {
  count: number;
  /** In this time an empty bucket fills up. */
  perMs: number;
}

/** What a CA allows, and what it does not count. */
export interface CaLimits {
  /** What is absent is not limited. */
  readonly limits: Readonly<Partial<Record<LimitKind, Limit>>>;
  /** Limits that do not hold for an order which names its predecessor (`replaces`) inside the suggested window (RFC 9773 §5). */
  readonly exemptInWindow: readonly LimitKind[];
  /** Limits that do not hold for an order of the same names as a recent certificate. */
  readonly exemptSameNames: readonly LimitKind[];
}

export const NO_LIMITS: CaLimits = { limits: {}, exemptInWindow: [], exemptSameNames: [] };

const limit = z.union([
  z.literal(false),
  z.strictObject({
    count: z.number().int().min(1).describe('So many at once.'),
    hours: z.number().positive().max(100_000).describe('In this time as many come back, evenly.'),
  }),
]);

const described = (what: string) => limit.optional().describe(`${what}; false: not limited.`);

export const limits = z
  .union([
    z.literal(false),
    z.strictObject({
      newOrders: described('New orders of the account'),
      certificatesPerDomain: described('Certificates of one registered domain'),
      certificatesPerNames: described('Certificates of exactly the same names'),
      failedValidations: described('Failed validations of one name'),
      consecutiveFailures: described('Failed validations of one name in a row, after which the CA pauses it'),
    }),
  ])
  .optional()
  .describe('What the CA allows this account, in place of what it publishes; false: nothing is limited.');

export type LimitSettings = z.infer<typeof limits>;
