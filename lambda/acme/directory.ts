/** The directory object (RFC 8555 §7.1.1): the only URL of a CA that must be configured. */
import { AcmeProblem, NoAcmeAnswer } from './problem.ts';
import { parseRetryAfter } from './retry-after.ts';
import type { Transport } from './transport.ts';

/** URLs of the CA's operations, and what it says about itself. */
export interface Directory {
  /** Gives a fresh anti-replay nonce to a HEAD (§7.2). */
  newNonce: string;
  /** Takes a new account, or finds an existing one (§7.3). */
  newAccount: string;
  /** Takes a new order (§7.4). */
  newOrder: string;
  /** Takes a revocation (§7.6). */
  revokeCert?: string;
  /** Takes the rollover of an account's key (§7.3.5). */
  keyChange?: string;
  /** Base URL of renewal information (RFC 9773 §4.1); absent: the CA has none and does not know `replaces`. */
  renewalInfo?: string;
  meta?: {
    /** URL of the current terms of service. */
    termsOfService?: string;
    /** True if newAccount must carry an external account binding (§7.3.4). */
    externalAccountRequired?: boolean;
    /** Profiles on offer, name → description (draft-ietf-acme-profiles §3). */
    profiles?: Record<string, string>;
    /** Domain names that stand for the CA in CAA records (§7.1.1). */
    caaIdentities?: unknown;
    /** Those that stand for it in records of dns-persist-01 (draft-ietf-acme-dns-persist-02 §3.2). */
    issuerDomainNames?: unknown;
    /** Where digests of account URLs begin (draft-ietf-acme-dns-persist-02 §4.1). */
    accountHashPrefix?: unknown;
  };
}

/** draft-ietf-acme-dns-persist-02 §3.1. */
const MAX_DOMAIN_NAMES = 10;

/** Takes what is a list of one to ten domain names, in lower case; anything else is none. */
export function domainNames(given: unknown): string[] {
  if (!Array.isArray(given) || given.length > MAX_DOMAIN_NAMES) return [];
  const isName = (name: unknown): name is string =>
    typeof name === 'string' && /^[a-z0-9_][a-z0-9_.-]{0,252}$/i.test(name);
  return given.every(isName) ? given.map((name) => name.toLowerCase().replace(/\.$/, '')) : [];
}

/** @throws AcmeProblem, NoAcmeAnswer */
export async function readDirectory(exchange: Transport, url: string, now: () => Date): Promise<Directory> {
  const response = await exchange('GET', url);
  if (response.status !== 200) {
    const document = { type: 'about:blank', detail: `directory ${url} answered HTTP ${response.status}` };
    throw new AcmeProblem(document, response.status, parseRetryAfter(response.headers['retry-after'], now()));
  }
  const directory = response.data as Partial<Directory> | string | null;
  const isDirectory =
    typeof directory === 'object' &&
    directory !== null &&
    [directory.newNonce, directory.newAccount, directory.newOrder].every(
      (entry) => typeof entry === 'string',
    );
  if (isDirectory) return directory as Directory;
  throw new NoAcmeAnswer(`${url} is no ACME directory: wanted newNonce, newAccount and newOrder`);
}
