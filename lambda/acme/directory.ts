/** RFC 8555 §7.1.1: the CA's directory; the only URL that must be configured. */
import { AcmeProblem, AcmeUnreachable } from './problem.ts';
import { parseRetryAfter } from './retry-after.ts';
import type { Transport } from './transport.ts';

export interface Directory {
  newNonce: string;
  newAccount: string;
  newOrder: string;
  revokeCert?: string;
  keyChange?: string;
  /** RFC 9773 §4.1; absent: this CA has no renewal information and knows no `replaces`. */
  renewalInfo?: string;
  meta?: {
    termsOfService?: string;
    externalAccountRequired?: boolean;
    /** draft-ietf-acme-profiles §3: name → description. */
    profiles?: Record<string, string>;
  };
}

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
  throw new AcmeUnreachable(`${url} is no ACME directory: wanted newNonce, newAccount and newOrder`);
}
