/** Whose fault a failure is: this decides whether another CA is asked, and how long is waited for this one. */
import { entryOf } from './entry-of.ts';
import {
  AcmeProblem,
  AcmeStuck,
  AuthorizationFailed,
  AuthorizationsFailed,
  NoAcmeAnswer,
  type ProblemDocument,
  typeOf,
  UntrustedIssuer,
} from './problem.ts';

/**
 * `ca`: it gives no answer or no end, has an error of its own, or limits the rate; it passes by itself. `policy`: this CA refuses what
 * another one may accept. `ours`: any CA would refuse it.
 */
export type Fault = 'ca' | 'policy' | 'ours';

/** The error types of RFC 8555 §6.7, RFC 9773 §7.4 and draft-ietf-acme-profiles §6, as the refusal of a request or of an order. */
const FAULTS: Readonly<Record<string, Fault>> = {
  badNonce: 'ca',
  rateLimited: 'ca',
  serverInternal: 'ca',
  badCSR: 'policy',
  badPublicKey: 'policy',
  badSignatureAlgorithm: 'policy',
  caa: 'policy',
  externalAccountRequired: 'policy',
  invalidContact: 'policy',
  invalidProfile: 'policy',
  rejectedIdentifier: 'policy',
  // The account is deactivated, or its binding to a customer has expired: names are refused by other types.
  unauthorized: 'policy',
  unsupportedContact: 'policy',
  unsupportedIdentifier: 'policy',
  userActionRequired: 'policy',
  accountDoesNotExist: 'ours',
  alreadyReplaced: 'ours',
  alreadyRevoked: 'ours',
  badRevocationReason: 'ours',
  connection: 'ours',
  dns: 'ours',
  incorrectResponse: 'ours',
  malformed: 'ours',
  orderNotReady: 'ours',
  tls: 'ours',
};

/** The same types where a validation has failed: there they are of the name (smallstep calls a wrong answer `rejectedIdentifier`). */
const OF_A_CHALLENGE: Readonly<Record<string, Fault>> = { rejectedIdentifier: 'ours', unauthorized: 'ours' };

/** Types that concern the account, and with it every certificate. */
const OF_THE_ACCOUNT: ReadonlySet<string> = new Set([
  'badPublicKey',
  'externalAccountRequired',
  'invalidContact',
  'unauthorized',
  'unsupportedContact',
  'userActionRequired',
]);

export function faultOf(error: unknown): Fault {
  if (error instanceof NoAcmeAnswer || error instanceof AcmeStuck) return 'ca';
  if (error instanceof UntrustedIssuer) return 'policy';
  if (error instanceof AuthorizationsFailed) return heaviest(error.failures.map(faultOf));
  if (error instanceof AuthorizationFailed) {
    if (error.problem === undefined) return 'ours';
    return faultOfDocument(error.problem, error.challenge === undefined ? {} : OF_A_CHALLENGE);
  }
  if (!(error instanceof AcmeProblem)) return 'ours';
  if (error.status >= 500 || error.status === 429) return 'ca';
  return error.type === 'http' ? faultOfStatus(error.status) : faultOfDocument(error.document, {});
}

export function isCaFault(error: unknown): boolean {
  return faultOf(error) === 'ca';
}

/** No certificate comes from this CA before somebody has seen to the account. */
export function concernsAccount(error: unknown): boolean {
  return error instanceof AcmeProblem && OF_THE_ACCOUNT.has(error.type);
}

/** §6.7.1: a problem with subproblems is as bad as the worst of them. */
function faultOfDocument(document: ProblemDocument, special: Readonly<Record<string, Fault>>): Fault {
  const { subproblems = [] } = document;
  if (subproblems.length > 0) return heaviest(subproblems.map((part) => faultOfDocument(part, special)));
  const type = typeOf(document);
  return entryOf(special, type) ?? entryOf(FAULTS, type) ?? 'ours';
}

/** Of an answer without a problem document: of a proxy, a firewall. */
function faultOfStatus(status: number): Fault {
  return status === 401 || status === 403 ? 'policy' : 'ours';
}

/** Where several names have failed, another CA helps only if it helps each of them. */
function heaviest(faults: readonly Fault[]): Fault {
  if (faults.includes('ours')) return 'ours';
  return faults.includes('policy') ? 'policy' : 'ca';
}
