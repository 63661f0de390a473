/**
 * Limits that CAs publish, as data; docs/limits.md shows this table. A CA that is not in it, such as a private one, has no limit
 * unless the configuration sets one.
 */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { DIRECTORIES } from '../config/acme.ts';
import type { LimitKind } from '../config/limits.ts';
import type { Limit } from './token-bucket.ts';

/** What a CA allows, and what it does not count. */
export interface CaLimits {
  /** What is absent is not limited. */
  readonly limits: Readonly<Partial<Record<LimitKind, Limit>>>;
  /** Limits that do not hold for an order which names its predecessor (`replaces`) inside the suggested window (RFC 9773 §5). */
  readonly exemptInWindow: readonly LimitKind[];
  /** Limits that do not hold for an order of the same names as a certificate of the last `sameNamesMs`. */
  readonly exemptSameNames: readonly LimitKind[];
  readonly sameNamesMs: number;
}

export interface KnownCa extends CaLimits {
  readonly name: string;
  readonly directoryUrl: string;
  /** Page of the CA that says so, and the day on which it was read. */
  readonly source: string;
  readonly readOn: string;
  /** For people: what the figures do not say. */
  readonly note?: string;
}

export const NO_LIMITS: CaLimits = { limits: {}, exemptInWindow: [], exemptSameNames: [], sameNamesMs: 0 };

/** Boulder, wfe2/wfe.go: an ARI renewal is checked against none of the limits on orders, another renewal against two of them. */
const BOULDER: Omit<CaLimits, 'limits'> = {
  exemptInWindow: ['newOrders', 'certificatesPerDomain', 'certificatesPerNames', 'failedValidations'],
  exemptSameNames: ['newOrders', 'certificatesPerDomain'],
  sameNamesMs: 120 * DAY_MS,
};

export const KNOWN_CAS: readonly KnownCa[] = [
  {
    ...{ name: "Let's Encrypt", directoryUrl: urlOf('letsencrypt'), ...BOULDER },
    limits: {
      newOrders: { count: 300, perMs: 3 * HOUR_MS },
      certificatesPerDomain: { count: 50, perMs: 7 * DAY_MS },
      certificatesPerNames: { count: 5, perMs: 7 * DAY_MS },
      failedValidations: { count: 5, perMs: HOUR_MS },
      consecutiveFailures: { count: 1152, perMs: 1152 * DAY_MS },
      newAccounts: { count: 10, perMs: 3 * HOUR_MS },
    },
    source: 'https://letsencrypt.org/docs/rate-limits/',
    readOn: '2026-08-15',
  },
  {
    ...{ name: "Let's Encrypt (staging)", directoryUrl: urlOf('letsencrypt-staging'), ...BOULDER },
    limits: {
      newOrders: { count: 1500, perMs: 3 * HOUR_MS },
      certificatesPerDomain: { count: 30_000, perMs: 7 * DAY_MS },
      certificatesPerNames: { count: 30_000, perMs: 7 * DAY_MS },
      failedValidations: { count: 200, perMs: HOUR_MS },
      newAccounts: { count: 50, perMs: 3 * HOUR_MS },
    },
    source: 'https://letsencrypt.org/docs/staging-environment/',
    readOn: '2026-08-15',
  },
  unlimited(
    'Google Trust Services',
    urlOf('google'),
    'Quotas belong to the Cloud project: its console shows them.',
  ),
  unlimited('ZeroSSL', urlOf('zerossl'), 'The comparison names no limit of orders.'),
  unlimited(
    'SSL.com (RSA)',
    'https://acme.ssl.com/sslcom-dv-rsa',
    'The comparison names no limit of orders.',
  ),
  unlimited(
    'SSL.com (ECC)',
    'https://acme.ssl.com/sslcom-dv-ecc',
    'The comparison names no limit of orders.',
  ),
];

/** @returns undefined for a CA that is not in the table */
export function knownCaOf(directoryUrl: string): KnownCa | undefined {
  return KNOWN_CAS.find((ca) => ca.directoryUrl === directoryUrl);
}

function unlimited(name: string, directoryUrl: string, note: string): KnownCa {
  const source = 'https://poshac.me/docs/v4/Guides/ACME-CA-Comparison/';
  return { ...NO_LIMITS, ...{ name, directoryUrl, note, source }, readOn: '2026-04-15' };
}

function urlOf(name: string): string {
  const url = DIRECTORIES[name];
  if (url === undefined) throw new TypeError(`DIRECTORIES has no ${name}`);
  return url;
}
