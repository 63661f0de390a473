/**
 * What is known of CAs before they are asked, as data; docs/limits.md shows their limits. A CA that is not in the table, such as a private
 * one, has no limit unless the configuration sets one.
 */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { type CaLimits, NO_LIMITS } from './limits.ts';

export interface KnownCa extends CaLimits {
  readonly name: string;
  /** That stands for the directory in pemfleet.yaml and on the command line. */
  readonly word?: string;
  readonly directoryUrl: string;
  /** No browser trusts its certificates, by design. */
  readonly isStaging?: true;
  /** Domain names that stand for it in CAA records, as its directory (`meta.caaIdentities`) and documentation say; 2026-11. */
  readonly caaIdentities?: readonly string[];
  /** By profile, in ms: how long its certificates are valid. */
  readonly lifetimes?: Readonly<Record<string, number>>;
  /** Of a lifetime: the window in which it suggests a renewal (RFC 9773). */
  readonly windowShare?: number;
  /** Page of the CA that says what it limits, and the day on which it was read. */
  readonly source: string;
  readonly readOn: string;
  /** For people: what the figures do not say. */
  readonly note?: string;
}

/** What both of Let's Encrypt's environments share. */
const BOULDER = {
  caaIdentities: ['letsencrypt.org'],
  // What it issues in November 2026 (https://letsencrypt.org/docs/profiles/).
  lifetimes: { classic: 90 * DAY_MS, tlsserver: 45 * DAY_MS, shortlived: 160 * HOUR_MS },
  // The window has 1 % of the lifetime to either side of its centre (core/objects.go, seen August 2026).
  windowShare: 2 / 100,
  // wfe2/wfe.go: an ARI renewal is checked against none of the limits on orders, another renewal against two of them.
  exemptInWindow: ['newOrders', 'certificatesPerDomain', 'certificatesPerNames', 'failedValidations'],
  exemptSameNames: ['newOrders', 'certificatesPerDomain'],
  readOn: '2026-08-15',
} as const satisfies Partial<KnownCa>;

/** Of CAs for which the comparison names no limit. */
const UNLIMITED = {
  ...NO_LIMITS,
  source: 'https://poshac.me/docs/v4/Guides/ACME-CA-Comparison/',
  readOn: '2026-04-15',
  note: 'The comparison names no limit of orders.',
} as const satisfies Partial<KnownCa>;

export const KNOWN_CAS: readonly KnownCa[] = [
  {
    ...BOULDER,
    name: "Let's Encrypt",
    word: 'letsencrypt',
    directoryUrl: 'https://acme-v02.api.letsencrypt.org/directory',
    limits: {
      newOrders: { count: 300, perMs: 3 * HOUR_MS },
      certificatesPerDomain: { count: 50, perMs: 7 * DAY_MS },
      certificatesPerNames: { count: 5, perMs: 7 * DAY_MS },
      failedValidations: { count: 5, perMs: HOUR_MS },
      consecutiveFailures: { count: 1152, perMs: 1152 * DAY_MS },
      newAccounts: { count: 10, perMs: 3 * HOUR_MS },
    },
    source: 'https://letsencrypt.org/docs/rate-limits/',
  },
  {
    ...BOULDER,
    name: "Let's Encrypt (staging)",
    word: 'letsencrypt-staging',
    directoryUrl: 'https://acme-staging-v02.api.letsencrypt.org/directory',
    isStaging: true,
    limits: {
      newOrders: { count: 1500, perMs: 3 * HOUR_MS },
      certificatesPerDomain: { count: 30_000, perMs: 7 * DAY_MS },
      certificatesPerNames: { count: 30_000, perMs: 7 * DAY_MS },
      failedValidations: { count: 200, perMs: HOUR_MS },
      newAccounts: { count: 50, perMs: 3 * HOUR_MS },
    },
    source: 'https://letsencrypt.org/docs/staging-environment/',
  },
  {
    ...UNLIMITED,
    name: 'Google Trust Services',
    word: 'google',
    directoryUrl: 'https://dv.acme-v02.api.pki.goog/directory',
    caaIdentities: ['pki.goog'],
    note: 'Quotas belong to the Cloud project: its console shows them.',
  },
  {
    ...UNLIMITED,
    name: 'Google Trust Services (staging)',
    directoryUrl: 'https://dv.acme-v02.test-api.pki.goog/directory',
    isStaging: true,
    note: 'Quotas belong to the Cloud project: its console shows them.',
  },
  {
    ...UNLIMITED,
    name: 'ZeroSSL',
    word: 'zerossl',
    directoryUrl: 'https://acme.zerossl.com/v2/DV90',
    caaIdentities: ['sectigo.com', 'trust-provider.com', 'usertrust.com', 'comodoca.com', 'comodo.com'],
  },
  { ...UNLIMITED, name: 'SSL.com (RSA)', directoryUrl: 'https://acme.ssl.com/sslcom-dv-rsa' },
  { ...UNLIMITED, name: 'SSL.com (ECC)', directoryUrl: 'https://acme.ssl.com/sslcom-dv-ecc' },
];

/** Words for directories; any other CA by its URL. */
export const DIRECTORIES: Readonly<Record<string, string>> = Object.fromEntries(
  KNOWN_CAS.flatMap(({ word, directoryUrl }) => (word === undefined ? [] : [[word, directoryUrl]])),
);

/** @returns undefined for a CA that is not in the table */
export function knownCaOf(directoryUrl: string): KnownCa | undefined {
  return KNOWN_CAS.find((ca) => ca.directoryUrl === directoryUrl);
}

/** @param text a word of the table, or a URL, which is returned as it is */
export function directoryNamed(text: string): string {
  return KNOWN_CAS.find(({ word }) => word === text)?.directoryUrl ?? text;
}

const STAGING_HOSTS: readonly string[] = KNOWN_CAS.filter(({ isStaging }) => isStaging).map(
  ({ directoryUrl }) => new URL(directoryUrl).hostname,
);

/** Whichever of its directories it is. */
export function isStaging(directoryUrl: string): boolean {
  return STAGING_HOSTS.includes(new URL(directoryUrl).hostname);
}

/** A known CA that browsers trust. */
export function isPublic(directoryUrl: string): boolean {
  return knownCaOf(directoryUrl) !== undefined && !isStaging(directoryUrl);
}
